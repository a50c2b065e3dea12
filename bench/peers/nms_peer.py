"""Cluster-DIoU-NMS with score voting as matrices in eager PyTorch: what `hdtrain bench nms` is measured against.

Usage: nms_peer.py CANDIDATES...      prints the median milliseconds for 80 classes. Candidates are drawn as there.
"""
import statistics
import sys
import time

import torch

torch.manual_seed(0)
torch.set_num_threads(2)


def candidates(count):
    corner = torch.stack([torch.randint(0, 20, (count,)), torch.randint(0, 15, (count,))], 1) * 32.0 + 6 * torch.randn(count, 2)
    side = 24 + 72 * torch.rand(count, 1)
    return torch.cat([corner, corner + side], 1), torch.rand(count), torch.randint(0, 80, (count,))


def overlaps(boxes, beta=0.8):
    a, b = boxes[:, None], boxes[None]
    size = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    common = size[..., 0] * size[..., 1]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    iou = common / (area[:, None] + area[None] - common)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    shift = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    return iou - (shift.pow(2).sum(-1) / (hull.pow(2).sum(-1) + 1e-7)) ** beta


def voting(boxes, scores, labels, threshold=0.6):
    order = scores.argsort(descending=True)
    boxes, scores, labels = boxes[order], scores[order], labels[order]
    x = overlaps(boxes + 4000 * labels[:, None])
    upper = x.triu(1)
    now = upper
    for _ in range(999):
        before = now
        alive = (before.max(0).values <= threshold).float()
        now = upper * alive[:, None]
        if torch.equal(now, before):
            break
    keep = now.max(0).values <= threshold
    v = x.triu(0) * alive[:, None]
    v = torch.where(v <= 0.7, torch.zeros(()), v)
    weight = torch.exp(-((1 - v) ** 2) / 0.025) * scores[None]
    moved = weight @ boxes / weight.sum(1, keepdim=True)
    return moved[keep], scores[keep], labels[keep]


for count in map(int, sys.argv[1:] or [1000, 5000]):
    samples = []
    for _ in range(4):
        given = candidates(count)
        start = time.perf_counter()
        kept = len(voting(*given)[0])
        samples.append(time.perf_counter() - start)
    print(f"{count} candidates: {1000 * statistics.median(samples[1:]):.1f} ms, {kept} kept", flush=True)
