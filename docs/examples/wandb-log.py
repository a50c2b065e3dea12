# Sends what a run tells to Weights & Biases, while it trains or afterwards. Run:
#   python3 docs/examples/wandb-log.py runs/cells-1 cells
# Wants W&B's own client (pip install wandb; wandb login); only metrics.jsonl and status.json are read.
import json
import os
import sys
import time
import uuid
from pathlib import Path

import wandb

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
project = sys.argv[2] if len(sys.argv) > 2 else "hdtrain"
every = float(os.environ.get("EVERY", 5000)) / 1000  # milliseconds


def numbers(values, prefix):
    """Numbers of an event by name, nested ones with a slash."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}/{name}")
        # JavaScript writes 0.0 as 0, so that whole numbers count too; true and false are ints to Python. A metric is -1
        # where it is undefined.
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value != -1:
            yield f"{prefix}/{name}", value


def read(name):
    path = folder / name
    return path.read_text() if path.exists() else ""


# Kept beside the run, so that a second call goes on where the first one stopped.
memory = folder / "wandb.json"
state = json.loads(read("wandb.json") or "{}") or {"run": uuid.uuid4().hex[:8], "sent": {"step": -1, "eval": -1}}
run = wandb.init(project=project, name=folder.name, id=state["run"], resume="allow")
memory.write_text(json.dumps(state))

ended = False
while not ended:
    status = json.loads(read("status.json") or '{"state": "running"}')
    ended = status["state"] != "running"
    # The last line may still be written to: it counts once its end is there.
    for line in read("metrics.jsonl").split("\n")[:-1]:
        event = json.loads(line)
        kind, step = event["type"], event.get("step")
        # A resumed run repeats steps that were sent before.
        if kind not in state["sent"] or step <= state["sent"][kind]:
            continue
        told = event["eval"] if kind == "eval" else {k: v for k, v in event.items() if k not in ("step", "epoch")}
        run.log(dict(numbers(told, "eval" if kind == "eval" else "train")), step=step)
        state["sent"][kind] = step
        memory.write_text(json.dumps(state))
    if not ended:
        time.sleep(every)
run.finish(exit_code=0 if status["state"] == "done" else 1)
print(f"{folder}: sent to W&B as run {state['run']} of {project}")
