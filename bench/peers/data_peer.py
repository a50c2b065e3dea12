"""Pictures into batches by other means: what `hdtrain bench data` is measured against.

Usage: data_peer.py MODE SIZE BATCH THREADS FOLDER...
  floor        THREADS threads, each: libjpeg-turbo decode and one-thread resize by OpenCV, both into memory of the
               thread that stays, and one copy into the batch; no flip
  dataloader   torch DataLoader with THREADS workers: Pillow decode, torchvision resize, flip and collation (v2 transforms)
Keep-ratio resize to SIZE, padding to SIZE x SIZE, uint8. Speaks the harness's protocol: 'ready', then one line
{"seconds", "probe", "peakMB"} for each line on stdin; a turn reads every picture once. The probe is a fixed decode.
"""
import ctypes
import ctypes.util
import json
import os
import resource
import sys
import threading
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


class TurboJpeg:
    """libjpeg-turbo into memory that the caller keeps: no allocation and no fresh page in a decode."""

    RGB, LIMIT_SCANS = 0, 32768

    def __init__(self):
        self.library = ctypes.CDLL(ctypes.util.find_library("turbojpeg") or "libturbojpeg.so.0")
        self.library.tjInitDecompress.restype = ctypes.c_void_p
        self.handle = ctypes.c_void_p(self.library.tjInitDecompress())
        self.memory = np.empty(0, np.uint8)
        self.resized = np.empty(SIZE * SIZE * 3, np.uint8)

    def decode(self, data):
        width, height, sampling, space = (ctypes.c_int() for _ in range(4))
        source = ctypes.c_char_p(data), ctypes.c_ulong(len(data))
        ok = self.library.tjDecompressHeader3(
            self.handle, *source, *(ctypes.byref(value) for value in (width, height, sampling, space))
        )
        size = width.value * height.value * 3
        if self.memory.size < size:
            self.memory = np.empty(size, np.uint8)
        ok |= self.library.tjDecompress2(
            self.handle, *source, ctypes.c_void_p(self.memory.ctypes.data), width, 0, height, self.RGB, self.LIMIT_SCANS
        )
        if ok != 0:
            raise ValueError("libjpeg-turbo cannot read a picture of the floor")
        return self.memory[:size].reshape(height.value, width.value, 3)

    def resize(self, image):
        scale = SIZE / max(image.shape[:2])
        width, height = round(image.shape[1] * scale), round(image.shape[0] * scale)
        resized = self.resized[: width * height * 3].reshape(height, width, 3)
        return cv2.resize(image, (width, height), dst=resized, interpolation=cv2.INTER_LINEAR)


def floor():
    slots = [np.zeros((BATCH, SIZE, SIZE, 3), np.uint8) for _ in range(3)]
    own = threading.local()

    def fill(i):
        if not hasattr(own, "jpeg"):
            own.jpeg = TurboJpeg()
        with open(FILES[i], "rb") as file:
            data = file.read()
        image = own.jpeg.resize(own.jpeg.decode(data))
        slots[i // BATCH % 3][i % BATCH, : image.shape[0], : image.shape[1]] = image

    pool = ThreadPoolExecutor(THREADS)
    return lambda: list(pool.map(fill, range(len(FILES)), chunksize=1))


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


turn = floor() if MODE == "floor" else dataloader()
turn()
print("ready", flush=True)
for _ in sys.stdin:
    before = probe()
    start = time.perf_counter()
    turn()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "teacher": 0, "probe": [before, probe()], "peakMB": peak}), flush=True)
