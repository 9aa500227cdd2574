package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"lsat/internal/hostmemory"
)

// request is a line to a worker.
type request struct {
	Op string `json:"op"`
	// load
	Model    string   `json:"model,omitempty"`
	Device   string   `json:"device,omitempty"` // as package device names them
	DType    string   `json:"dtype,omitempty"`
	Threads  int      `json:"threads,omitempty"`
	Prompts  string   `json:"prompts,omitempty"`
	Adapters []string `json:"adapters,omitempty"`
	Server   string   `json:"server,omitempty"`
	Compile  bool     `json:"compile,omitempty"` // by torch.compile
	// how many layers, the uppermost ones, training adapts; 0 means all
	TopLayers int `json:"top_layers,omitempty"`
	// load, lsat alone: engine.Options' Quantize, and the directory that keeps what the layers below those make of the prompts, where there is one
	Quantize string `json:"quantize,omitempty"`
	Hidden   string `json:"hidden,omitempty"`
	// run and fit: which of the prompts, in batches of how many
	Indices []int `json:"indices,omitempty"`
	Batch   int   `json:"batch,omitempty"`
	// run: how many of the adapters, one after another
	Passes int `json:"passes,omitempty"`
	// fit: targets in an optimizer step, and where the adapter goes
	Step int    `json:"step,omitempty"`
	Seed uint64 `json:"seed,omitempty"`
	Out  string `json:"out,omitempty"`
}

// answer is a line from a worker.
type answer struct {
	OK      bool    `json:"ok"`
	Error   string  `json:"error"`
	Seconds float64 `json:"seconds"`
	// load: the process whose memory counts, and what runs there
	PID     int    `json:"pid"`
	Version string `json:"version"`
	// run
	LogOdds   []float64 `json:"log_odds"`
	Loss      float64   `json:"loss"`
	GFLOPS    float64   `json:"gflops"`
	Latencies []float64 `json:"latencies"`
}

// worker is a process that does one kind of work when it is told to, and nothing between.
type worker struct {
	name    string
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan answer
	ended   chan struct{} // closed when the process has ended, with failure
	failure error
	pid     int
	version string
}

// patience is how long an answer may take before the worker is given up.
const patience = 30 * time.Minute

// startWorker starts a process. It inherits the allocator's settings that main gave itself: PyTorch gains from them too.
func startWorker(name string, stderr io.Writer, command ...string) (*worker, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	w := &worker{name: name, cmd: cmd, in: in, answers: make(chan answer, 1), ended: make(chan struct{}), pid: cmd.Process.Pid}
	go func() {
		lines := bufio.NewReader(out)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				w.failure = errors.Join(fmt.Errorf("%s ended before it answered", name), cmd.Wait())
				close(w.ended)
				return
			}
			var a answer
			if err := json.Unmarshal(line, &a); err != nil {
				a = answer{Error: fmt.Sprintf("not an answer: %.80q", line)}
			}
			w.answers <- a
		}
	}()
	return w, nil
}

// ask sends a request and waits for its answer. A worker that ended or answers with an error is an error.
func (w *worker) ask(r request) (answer, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", w.name, err)
	}
	if _, err := w.in.Write(append(text, '\n')); err != nil {
		return answer{}, fmt.Errorf("%s: %w", w.name, err)
	}
	select {
	case a := <-w.answers:
		if !a.OK {
			return a, fmt.Errorf("%s: %s: %s", w.name, r.Op, a.Error)
		}
		if r.Op == "load" {
			w.version = a.Version
			if a.PID != 0 {
				w.pid = a.PID
			}
		}
		return a, nil
	case <-w.ended:
		return answer{}, w.failure
	case <-time.After(patience):
		return answer{}, fmt.Errorf("%s: no answer to %s within %v", w.name, r.Op, patience)
	}
}

// close ends the worker: its input ends, and after ten seconds it is killed.
func (w *worker) close() {
	_ = w.in.Close()
	select {
	case <-w.ended:
	case <-time.After(10 * time.Second):
		_ = w.cmd.Process.Kill() // it may have ended by itself
		<-w.ended
	}
}

// peakMemory is the most memory that the worker's process has held, in bytes; 0 where the system does not tell.
func (w *worker) peakMemory() int64 {
	bytes, _ := hostmemory.PeakOf(w.pid)
	return bytes
}
