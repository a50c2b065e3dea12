"""Pictures into batches by other means: what `hdtrain bench data` is measured against.

Usage: data_peer.py MODE SIZE BATCH THREADS FOLDER...
  floor        THREADS threads, each: libjpeg-turbo decode and one-thread resize by OpenCV, flip, one copy into the batch
  dataloader   torch DataLoader with THREADS workers: Pillow decode, torchvision resize, flip and collation (v2 transforms)
Keep-ratio resize to SIZE, padding to SIZE x SIZE, uint8. Speaks the harness's protocol: 'ready', then one line
{"seconds", "probe", "peakMB"} for each line on stdin; a turn reads every picture once. The probe is a fixed decode.
"""
import json
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

MODE, SIZE, BATCH, THREADS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
FILES = sorted(
    os.path.join(root, name)
    for folder in sys.argv[5:]
    for root, _, names in os.walk(folder)
    for name in names
    if name.lower().endswith((".jpg", ".jpeg"))
)
cv2.setNumThreads(1)
with open(FILES[0], "rb") as file:
    PROBE = np.frombuffer(file.read(), np.uint8)


def probe():
    start = time.perf_counter()
    for _ in range(20):
        cv2.imdecode(PROBE, cv2.IMREAD_COLOR)
    return time.perf_counter() - start


def floor():
    slots = [np.zeros((BATCH, SIZE, SIZE, 3), np.uint8) for _ in range(3)]
    flips = np.random.default_rng(0).random(len(FILES)) < 0.5

    def fill(i):
        with open(FILES[i], "rb") as file:
            data = np.frombuffer(file.read(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        scale = SIZE / max(image.shape[:2])
        width, height = round(image.shape[1] * scale), round(image.shape[0] * scale)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        if flips[i]:
            image = cv2.flip(image, 1)
        slots[i // BATCH % 3][i % BATCH, :height, :width] = image

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(fill, range(len(FILES))))


def dataloader():
    import torch
    from PIL import Image
    from torchvision.transforms import v2

    transform = v2.Compose([v2.PILToTensor(), v2.Resize(size=None, max_size=SIZE, antialias=False), v2.RandomHorizontalFlip()])

    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return len(FILES)

        def __getitem__(self, i):
            with Image.open(FILES[i]) as image:
                return transform(image.convert("RGB"))

    def collate(images):
        batch = torch.zeros(len(images), 3, SIZE, SIZE, dtype=torch.uint8)
        for slot, image in zip(batch, images):
            slot[:, : image.shape[1], : image.shape[2]] = image
        return batch

    loader = torch.utils.data.DataLoader(
        Pictures(), BATCH, num_workers=THREADS, collate_fn=collate, persistent_workers=True, prefetch_factor=4
    )
    return lambda: sum(len(batch) for batch in loader)


turn = floor if MODE == "floor" else dataloader()
turn()
print("ready", flush=True)
for _ in sys.stdin:
    before = probe()
    start = time.perf_counter()
    turn()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "teacher": 0, "probe": [before, probe()], "peakMB": peak}), flush=True)
