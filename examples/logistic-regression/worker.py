"""A worker in nothing but NumPy: logistic regression by gradient descent. docs/worker-protocol.md is all it was written from."""
import os, select, struct, sys
import msgpack
import numpy as np

IN, OUT = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # whatever prints from here on, prints to stderr
DTYPES = {"f32": np.float32, "i32": np.int32, "u8": np.uint8}
CHUNK = 1 << 20


class Cancelled(Exception):
    pass


def fill(view):
    while len(view):
        view = view[IN.readinto(view) or os._exit(1):]  # nothing more: the collaborator has gone


def receive():
    prefix = bytearray(8)
    fill(memoryview(prefix))
    head_bytes, body_bytes = struct.unpack("<II", prefix)
    head = bytearray(head_bytes)
    fill(memoryview(head))
    return msgpack.unpackb(head), body_bytes


def send(head, body=b""):
    packed = msgpack.packb(head)
    OUT.write(struct.pack("<II", len(packed), len(body)) + packed)
    OUT.write(body)
    OUT.flush()


def receive_into(array):
    view, at = memoryview(array).cast("B"), 0
    while at < len(view):
        _, size = receive()
        fill(view[at:at + size])
        at += size


def batches(split, size, order):
    for start in range(0, len(order), size):
        if select.select([IN], [], [], 0)[0]:  # during a run nothing comes but a cancel, or the end
            receive()
            raise Cancelled
        chosen = order[start:start + size]
        yield split["x"][chosen].astype(np.float32) * np.float32(split["scale"]), split["y"][chosen]


def measure(kernel, bias, x, y):
    logits = x @ kernel + bias
    logits -= logits.max(1, keepdims=True)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return p, float(-np.log(p[np.arange(len(y)), y]).sum()), int((p.argmax(1) == y).sum())


def run(state, task, arguments, round, seed, collaborator):
    args, kernel, bias = arguments, state["kernel"], state["bias"]
    learns = task == "train"
    split = state["train" if learns else args["split"]]
    if learns and (args["optimizer"] != "sgd" or args["proximal"]):
        raise ValueError("this worker has plain sgd, and nothing beside it")
    chance = np.random.RandomState([int(seed) % 2**32, round, *collaborator.encode()])
    order = chance.permutation(len(split["x"]))[:args.get("samples") if learns else None]
    done, total = 0, len(order) * args.get("epochs", 1)
    while done < total:
        loss = correct = 0
        for x, y in batches(split, args["batchSize"], chance.permutation(order)):
            p, nats, right = measure(kernel, bias, x, y)
            loss, correct, done = loss + nats, correct + right, done + len(y)
            if learns:
                p[np.arange(len(y)), y] -= 1
                kernel -= args["learningRate"] / len(y) * (x.T @ p)
                bias -= args["learningRate"] / len(y) * p.sum(0)
        send({"type": "progress", "done": done, "total": total})
    means = {"loss": loss / len(order), "accuracy": correct / len(order)}
    return {"metrics": {**means, "samples": done}, "changed": learns}


def answer(state, request):
    kind = request.pop("type")
    if kind == "open":
        (classes,), width = request["target_shape"], int(np.prod(request["sample_shape"]))
        values = state["values"] = np.zeros((width + 1) * classes, np.float32)
        state["kernel"], state["bias"] = values[:-classes].reshape(width, classes), values[-classes:]
        state["kernel"][:] = np.random.RandomState(int(request["seed"]) % 2**32).normal(0, 0.01, (width, classes))
        tensors = [{"name": "0.kernel", "shape": [width, classes]}, {"name": "1.bias", "shape": [classes]}]
        return {"engine": "numpy", "runtime": np.__version__, "tensors": tensors}
    if kind == "write":
        receive_into(state["values"])
    elif kind == "read":
        for start in range(0, state["values"].nbytes, CHUNK):
            send({"type": "chunk"}, memoryview(state["values"]).cast("B")[start:start + CHUNK])
    elif kind == "data":
        x = np.empty(request["sample_values"], DTYPES[request["samples"]])
        y = np.empty(request["target_values"], DTYPES[request["targets"]])
        receive_into(x)
        receive_into(y)
        state[request["split"]] = {"x": x.reshape(request["size"], -1), "y": y, "scale": request["scale"]}
    elif kind == "run":
        return run(state, **request)
    elif kind == "save":
        os.makedirs(request["dir"], exist_ok=True)
        np.savez(os.path.join(request["dir"], "model.npz"), kernel=state["kernel"], bias=state["bias"])
    return {}


state = {}
send({"type": "hello", "v": 1, "worker": "logistic regression in NumPy"})
while True:
    request, _ = receive()
    if request["type"] == "dispose":
        sys.exit()
    if request["type"] == "cancel":
        continue  # it came too late: the run had ended
    number = request.pop("id")
    try:
        reply = answer(state, request)
    except Cancelled:
        reply = {"error": {"code": "FL_CANCELLED", "reason": "cancelled"}}
    except Exception as error:
        reply = {"error": {"code": "FL_TASK_FAILED", "reason": f"{type(error).__name__}: {error}"}}
    send({"type": "reply", "id": number, **reply})
