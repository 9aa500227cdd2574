package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestMain lets the test's own program be a worker, so that the protocol is tested between processes.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_FAKE_WORKER") == "1" {
		fakeWorker()
		return
	}
	os.Exit(m.Run())
}

// fakeWorker answers loads and runs, fails for batch 13, and ends without an answer for batch 99. Its first argument says how it differs:
// "refuses" cannot load; "idle" fails in every run; "dies-N" ends at its N-th run; "apart" has other log-odds; "sweeps" works fastest in batches of 4;
// "narrow" too, but for batches of 8, which fail; "hiccups" too, but for its third run; "compiles" and "compiles-ill" do too, and torch.compile makes them faster or slower.
func fakeWorker() {
	kind := ""
	if len(os.Args) > 1 {
		kind = os.Args[1]
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	compile := false
	for runs := 0; lines.Scan(); {
		var r request
		a := answer{OK: true, Seconds: .5}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			a = answer{Error: err.Error()}
		}
		if r.Op == "run" {
			runs++
		}
		switch {
		case r.Op == "load" && kind == "refuses":
			a = answer{Error: "no such model"}
		case r.Op == "load" && kind == "sweeps" && r.Compile:
			a = answer{Error: "no compiler"}
		case r.Op == "load":
			a.PID, a.Version = os.Getpid(), "fake 1"
			compile = r.Compile
		case r.Batch == 13 || kind == "narrow" && r.Batch == 8 || kind == "idle" && r.Op == "run":
			a = answer{Error: "out of luck"}
		case r.Batch == 99 || kind == fmt.Sprintf("dies-%d", runs):
			fmt.Fprintln(os.Stderr, "gone")
			os.Exit(3)
		case r.Batch == 77:
			fmt.Println("what a library prints")
			continue
		default:
			for _, i := range r.Indices {
				odds := float64(i) / 2
				if kind == "apart" {
					odds += .25
				}
				a.LogOdds = append(a.LogOdds, odds)
			}
			if kind == "sweeps" || kind == "narrow" || strings.HasPrefix(kind, "compiles") {
				a.Seconds = map[int]float64{1: .8, 2: .4, 4: .2, 8: .21, 16: .9}[r.Batch]
			}
			if kind == "hiccups" {
				a.Seconds = map[int]float64{1: .8, 2: .4, 4: .2, 8: .21, 16: .9}[r.Batch]
				if runs == 3 {
					a.Seconds = 7
				}
			}
			if compile && runs >= 3 { // by then it has met two lengths
				a.Seconds /= map[string]float64{"compiles": 1.25, "compiles-ill": 1.02}[kind]
			}
		}
		text, err := json.Marshal(a)
		if err != nil {
			os.Exit(4)
		}
		fmt.Println(string(text))
	}
}

func startFake(t *testing.T) *worker {
	t.Helper()
	t.Setenv("BENCH_FAKE_WORKER", "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w, err := startWorker("fake", os.Stderr, self)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

func TestWorkerAnswers(t *testing.T) {
	w := startFake(t)
	if _, err := w.ask(request{Op: "load"}); err != nil || w.version != "fake 1" || w.pid == os.Getpid() {
		t.Fatalf("load: %v, version %q, process %d", err, w.version, w.pid)
	}
	a, err := w.ask(request{Op: "run", Indices: []int{3, 1}})
	if err != nil || len(a.LogOdds) != 2 || a.LogOdds[0] != 1.5 || a.Seconds != .5 {
		t.Errorf("run: %v, %v", a, err)
	}
	if w.peakMemory() <= 0 {
		if _, err := os.Stat("/proc/self/status"); err == nil {
			t.Error("a process that runs has held no memory")
		}
	}
}

func TestWorkerFaults(t *testing.T) {
	w := startFake(t)
	if _, err := w.ask(request{Op: "run", Batch: 13}); err == nil || !strings.Contains(err.Error(), "out of luck") {
		t.Errorf("a refusal: %v", err)
	}
	if _, err := w.ask(request{Op: "run", Batch: 77}); err == nil || !strings.Contains(err.Error(), "not an answer") {
		t.Errorf("a line that is no answer: %v", err)
	}
	if _, err := w.ask(request{Op: "run"}); err != nil {
		t.Errorf("it must go on after a refusal: %v", err)
	}
	if _, err := w.ask(request{Op: "run", Batch: 99}); err == nil || !strings.Contains(err.Error(), "ended before it answered") {
		t.Errorf("a worker that ends: %v", err)
	}
	if _, err := w.ask(request{Op: "run"}); err == nil {
		t.Error("an ended worker answers")
	}
	w.close() // must not wait for ever
	if _, err := startWorker("none", os.Stderr, "/does/not/exist"); err == nil {
		t.Error("a program that is not there starts")
	}
}

func TestLsatWorkerRefuses(t *testing.T) {
	var out strings.Builder
	in := strings.NewReader(`{"op":"run"}` + "\n" + `not JSON` + "\n" + `{"op":"dance"}` + "\n")
	if err := serveLsat(t.Context(), "score", in, &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d answers to 3 requests: %s", len(lines), out.String())
	}
	for _, line := range lines {
		var a answer
		if err := json.Unmarshal([]byte(line), &a); err != nil || a.OK || a.Error == "" {
			t.Errorf("%s: want a refusal (%v)", line, err)
		}
	}
}
