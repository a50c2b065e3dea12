"""The training step of GFL-ResNet-18 in eager PyTorch: what hdtrain's step is measured against.

Usage: step_peer.py MODE [distill | plan-whole | plan-backbone]      MODE: default (fp32, NCHW) | channels_last (fp32) | bf16 (autocast, channels_last)
Speaks the harness's protocol: prints 'ready', then answers each line on stdin with {"seconds", "probe", "peakMB"}.
Same network, batch, canvas, losses and optimiser as `hdtrain bench step`: stem and layer1 frozen, 80 classes, 4 x 320 x 320.
With 'distill' a GFL-ResNet-50 teaches without gradient: localization in both regions and classification, as
`hdtrain bench step --distill` does; the reply then holds {"teacher"}, the seconds of its forward pass. With 'plan-…' a turn is
the forward pass of that GFL-ResNet-50 alone, or of its backbone, the median of three.
"""
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

STRIDES, BINS, CLASSES = (8, 16, 32, 64, 128), 17, 80


class Gfl(nn.Module):
    def __init__(self, backbone="resnet18"):
        super().__init__()
        self.body = getattr(torchvision.models, backbone)(weights=None)
        del self.body.fc
        channels = (128, 256, 512) if backbone == "resnet18" else (512, 1024, 2048)
        for part in (self.body.conv1, self.body.bn1, self.body.layer1):
            for parameter in part.parameters():
                parameter.requires_grad_(False)
        self.lateral = nn.ModuleList(nn.Conv2d(c, 256, 1) for c in channels)
        self.out = nn.ModuleList([nn.Conv2d(256, 256, 3, padding=1) for _ in range(3)] + [nn.Conv2d(256, 256, 3, 2, 1) for _ in range(2)])

        def tower():
            return nn.Sequential(*[m for _ in range(4) for m in (nn.Conv2d(256, 256, 3, padding=1, bias=False), nn.GroupNorm(32, 256), nn.ReLU(inplace=True))])

        self.cls_tower, self.reg_tower = tower(), tower()
        self.cls, self.reg = nn.Conv2d(256, CLASSES, 3, padding=1), nn.Conv2d(256, 4 * BINS, 3, padding=1)
        self.scales = nn.Parameter(torch.ones(5))
        nn.init.constant_(self.cls.bias, -4.595)

    def train(self, mode=True):
        super().train(mode)
        for module in self.body.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def backbone(self, x):
        b = self.body
        x = b.layer1(b.maxpool(b.relu(b.bn1(b.conv1(x)))))
        c3 = b.layer2(x)
        c4 = b.layer3(c3)
        return c3, c4, b.layer4(c4)

    def forward(self, x):
        c3, c4, c5 = self.backbone(x)
        p5 = self.lateral[2](c5)
        p4 = self.lateral[1](c4) + F.interpolate(p5, size=c4.shape[-2:])
        p3 = self.lateral[0](c3) + F.interpolate(p4, size=c3.shape[-2:])
        levels = [conv(p) for conv, p in zip(self.out, (p3, p4, p5))]
        levels.append(self.out[3](levels[-1]))
        levels.append(self.out[4](levels[-1]))
        cls = [self.cls(self.cls_tower(p)).permute(0, 2, 3, 1).flatten(1, 2).float() for p in levels]
        reg = [(self.reg(self.reg_tower(p)) * s).permute(0, 2, 3, 1).flatten(1, 2).float() for p, s in zip(levels, self.scales)]
        return torch.cat(cls, 1), torch.cat(reg, 1), [p.shape[-2:] for p in levels]


def iou(a, b, eps=1e-6):
    size = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    inter = size[..., 0] * size[..., 1]
    area = lambda t: (t[..., 2] - t[..., 0]) * (t[..., 3] - t[..., 1])
    union = (area(a) + area(b) - inter).clamp(min=eps)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    hull = (hull[..., 0] * hull[..., 1]).clamp(min=eps)
    return inter / union, inter / union - (hull - union) / hull


def grid(sizes):
    points, strides = [], []
    for (h, w), stride in zip(sizes, STRIDES):
        y, x = torch.meshgrid(torch.arange(h) * stride, torch.arange(w) * stride, indexing="ij")
        points.append(torch.stack([x, y], -1).reshape(-1, 2).float())
        strides.append(torch.full((h * w,), float(stride)))
    return torch.cat(points), torch.cat(strides), [h * w for h, w in sizes]


def squares(points, strides):
    return torch.cat([points - 4 * strides[:, None], points + 4 * strides[:, None]], 1)


def atss(points, strides, counts, boxes, labels):
    anchors = squares(points, strides)
    overlap, _ = iou(anchors[:, None], boxes[None])
    distance = (points[:, None] - (boxes[None, :, :2] + boxes[None, :, 2:]) / 2).pow(2).sum(-1)
    chosen, start = [], 0
    for count in counts:
        chosen.append(distance[start:start + count].topk(min(9, count), 0, largest=False).indices + start)
        start += count
    chosen = torch.cat(chosen)
    candidate = overlap.gather(0, chosen)
    threshold = candidate.mean(0) + candidate.std(0)
    inside = torch.cat([points[:, None] - boxes[None, :, :2], boxes[None, :, 2:] - points[:, None]], -1).min(-1).values > 0.01
    mask = torch.zeros_like(overlap, dtype=torch.bool).scatter_(0, chosen, candidate >= threshold) & inside
    best = torch.where(mask, overlap, torch.full_like(overlap, -1)).max(1)
    target = torch.full((len(points),), CLASSES)
    positive = best.values >= 0
    target[positive] = labels[best.indices[positive]]
    return target, boxes[best.indices], threshold


def valuable(points, strides, boxes, threshold):
    """1 where 0.25 t <= DIoU < t for some object."""
    anchors = squares(points, strides)
    overlap, _ = iou(anchors[:, None], boxes[None])
    shift = (anchors[:, None, :2] + anchors[:, None, 2:] - boxes[None, :, :2] - boxes[None, :, 2:]) / 2
    hull = torch.maximum(anchors[:, None, 2:], boxes[None, :, 2:]) - torch.minimum(anchors[:, None, :2], boxes[None, :, :2])
    diou = overlap - shift.pow(2).sum(-1) / hull.pow(2).sum(-1).clamp(min=1e-6)
    return ((diou >= 0.25 * threshold) & (diou < threshold)).any(1).float()


def divergence(student, teacher, temperature):
    target = F.softmax(teacher / temperature, 1)
    return F.kl_div(F.log_softmax(student / temperature, 1), target, reduction="none").mean(1) * temperature**2


def transfers(student, teacher, label, weight, mask):
    """Localization in the main and the valuable region, classification in the main region."""
    (cls, reg), (teacher_cls, teacher_reg) = student, teacher
    images = len(label)
    index = (label < CLASSES).nonzero(as_tuple=True)
    near = mask.nonzero(as_tuple=True)
    sides = lambda logits, rows: logits[rows].reshape(-1, BINS)
    main = (divergence(sides(reg, index), sides(teacher_reg, index), 10).reshape(-1, 4).sum(1) * weight).sum() / 4 / images
    around = divergence(sides(reg, near), sides(teacher_reg, near), 10).sum() / 16 / images
    kd = divergence(cls[index], teacher_cls[index], 2).sum() / max(len(index[0]), 1)
    return 0.75 * main + 0.75 * around + 10 * kd


def losses(cls, reg, sizes, truth, teacher=None):
    points, strides, counts = grid(sizes)
    targets = [atss(points, strides, counts, *image) for image in truth]
    label, box = torch.stack([t[0] for t in targets]), torch.stack([t[1] for t in targets])
    positive = label < CLASSES
    number = positive.sum(1).clamp(min=1).sum().float()
    quality = torch.zeros(label.shape)
    index = positive.nonzero(as_tuple=True)
    stride = strides[index[1]][:, None]
    centre = points[index[1]] / stride
    logits = reg[index].reshape(-1, 4, BINS)
    distance = (logits.softmax(-1) * torch.arange(BINS)).sum(-1)
    decoded = torch.cat([centre - distance[:, :2], centre + distance[:, 2:]], 1)
    goal = box[index] / stride
    overlap, giou = iou(decoded, goal)
    quality[index] = overlap.detach()
    weight = cls[index].detach().sigmoid().amax(1)
    total = weight.sum().clamp(min=1e-6)
    wanted = torch.cat([centre - goal[:, :2], goal[:, 2:] - centre], 1).clamp(0, BINS - 1.1).reshape(-1)
    left = wanted.long()
    flat = logits.reshape(-1, BINS)
    dfl = F.cross_entropy(flat, left, reduction="none") * (left + 1 - wanted) + F.cross_entropy(flat, left + 1, reduction="none") * (wanted - left)
    score = cls.sigmoid()
    qfl = F.binary_cross_entropy_with_logits(cls, torch.zeros_like(cls), reduction="none") * score.pow(2)
    at = (*index, label[index])
    soft = quality[index]
    qfl[at] = F.binary_cross_entropy_with_logits(cls[at], soft, reduction="none") * (soft - score[at]).abs().pow(2)
    dfl = (dfl.reshape(-1, 4) * weight[:, None]).sum() / 4 / total
    loss = qfl.sum() / number + 2 * ((1 - giou) * weight).sum() / total + 0.25 * dfl
    if teacher is None:
        return loss
    region = torch.stack([valuable(points, strides, boxes, t[2]) for (boxes, _), t in zip(truth, targets)])
    return loss + transfers((cls, reg), teacher, label, weight, region * ~positive)


def main():
    mode = sys.argv[1]
    torch.manual_seed(0)
    torch.set_num_threads(2)
    model = Gfl().train()
    layout = torch.contiguous_format if mode == "default" else torch.channels_last
    model = model.to(memory_format=layout)
    teacher = Gfl("resnet50").eval().to(memory_format=layout) if "distill" in sys.argv[2:] else None
    taught = [0.0]
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.0025, 0.9, weight_decay=1e-4)
    pixels = torch.randint(0, 256, (4, 320, 320, 3), dtype=torch.uint8)
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    corner = torch.rand(4, 3, 2) * 200
    truth = [(torch.cat([c, c + 30 + 60 * torch.rand(3, 2)], 1), torch.randint(0, CLASSES, (3,))) for c in corner]
    probe_conv = nn.Conv2d(256, 256, 3, padding=1).to(memory_format=torch.channels_last)
    probe_input = torch.randn(4, 256, 40, 40).to(memory_format=torch.channels_last)

    def probe():
        with torch.no_grad():
            start = time.perf_counter()
            probe_conv(probe_input)
            return time.perf_counter() - start

    def step():
        image = ((pixels.float() - mean) / std).permute(0, 3, 1, 2).contiguous(memory_format=layout)
        soft = None
        with torch.autocast("cpu", torch.bfloat16, enabled=mode == "bf16"):
            if teacher:
                start = time.perf_counter()
                with torch.no_grad():
                    soft = teacher(image)[:2]
                taught[0] = time.perf_counter() - start
            out = model(image)
        loss = losses(*out, truth, soft)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 35)
        optimizer.step()

    part = next((word[5:] for word in sys.argv[2:] if word.startswith("plan-")), None)
    network = Gfl("resnet50").eval().to(memory_format=layout) if part else None

    def plan():
        image = ((pixels.float() - mean) / std).permute(0, 3, 1, 2).contiguous(memory_format=layout)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=mode == "bf16"):
            network(image) if part == "whole" else network.backbone(image)

    def timed(turn):
        start = time.perf_counter()
        turn()
        return time.perf_counter() - start

    turn = plan if part else step
    probe()
    turn()
    print("ready", flush=True)
    for line in sys.stdin:
        before = probe()
        seconds = sorted(timed(turn) for _ in range(3 if part else 1))[-2 if part else 0]
        print(json.dumps({"seconds": seconds, "teacher": taught[0], "probe": [before, probe()], "peakMB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)


main()
