"""Scores the files of `hdtrain bench eval --out DIR` with pycocotools, for comparison.

    python eval_peer.py DIR [--type bbox] [--repeats 1]

Prints one JSON object {seconds, loadSeconds, stats, version}. `seconds` is the median of evaluate() + accumulate() +
summarize() on data that are already in memory, what `bench eval` times as well.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import statistics
import sys
import time

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="holds truth.json and detections.json")
    parser.add_argument("--type", default="bbox", choices=["bbox", "segm", "keypoints"])
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()

    with contextlib.redirect_stdout(sys.stderr):  # pycocotools prints its progress
        start = time.perf_counter()
        truth = COCO(os.path.join(options.folder, "truth.json"))
        detections = truth.loadRes(os.path.join(options.folder, "detections.json"))
        load_seconds = time.perf_counter() - start
        seconds = []
        for _ in range(max(1, options.repeats)):
            evaluation = COCOeval(truth, detections, options.type)
            start = time.perf_counter()
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            seconds.append(time.perf_counter() - start)
    print(
        json.dumps(
            {
                "seconds": statistics.median(seconds),
                "loadSeconds": load_seconds,
                "stats": [float(value) for value in evaluation.stats],
                "version": importlib.metadata.version("pycocotools"),
            }
        )
    )


if __name__ == "__main__":
    main()
