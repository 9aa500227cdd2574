package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/device"
	"lsat/engine"
	"lsat/prompt"
	"lsat/train"
)

// lsatWorker is lsat as a worker: the packages that the program itself uses, in a process of their own.
type lsatWorker struct {
	kind     string // train, score, rerank or peak
	backend  compute.Backend
	device   string
	dtype    string
	engine   *engine.Engine
	adapters []*adapter.Adapter
	prompts  *file
	runs     uint64
	layers   int // of the model
	// topLayers is how many layers training adapts; 0 means all.
	topLayers int
	// hidden is where the states below them are kept; empty for nowhere.
	hidden string
}

// serveLsat answers requests until the input ends.
func serveLsat(ctx context.Context, kind string, in io.Reader, out io.Writer) error {
	w := &lsatWorker{kind: kind}
	lines := bufio.NewReader(in)
	enc := json.NewEncoder(out)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		var r request
		var a answer
		if err = json.Unmarshal(line, &r); err == nil {
			start := time.Now()
			a, err = w.do(ctx, r)
			a.Seconds = time.Since(start).Seconds()
		}
		if a.OK = err == nil; !a.OK {
			a.Error = err.Error()
		}
		if err := enc.Encode(a); err != nil {
			return err
		}
	}
}

func (w *lsatWorker) do(ctx context.Context, r request) (answer, error) {
	switch {
	case r.Op == "load":
		return answer{PID: os.Getpid()}, w.load(ctx, r)
	case r.Op == "run" && w.kind == "peak":
		return w.peak(ctx)
	case w.engine == nil:
		return answer{}, errors.New("nothing is loaded yet")
	case r.Op == "run" && w.kind == "train":
		return w.train(ctx, r)
	case r.Op == "run" && w.kind == "rerank":
		return w.rerank(ctx, r)
	case r.Op == "run":
		return w.score(ctx, r)
	case r.Op == "fit":
		return w.fit(ctx, r)
	}
	return answer{}, fmt.Errorf("unknown op %q", r.Op)
}

func (w *lsatWorker) load(ctx context.Context, r request) error {
	b, on, _, err := device.Open(r.Device)
	if err != nil {
		return err
	}
	w.backend, w.dtype, w.device, w.topLayers, w.hidden = b, r.DType, on, r.TopLayers, r.Hidden
	if w.kind == "peak" {
		return nil
	}
	m, err := backbone.Load(ctx, r.Model, backbone.Options{})
	if err != nil {
		return err
	}
	if w.engine, err = engine.New(ctx, m, b, engine.Options{DType: r.DType, Quantize: r.Quantize}); err != nil {
		return err
	}
	w.layers = m.Config.Layers
	for _, dir := range r.Adapters {
		a, err := adapter.Read(dir)
		if err != nil {
			return err
		}
		w.adapters = append(w.adapters, a)
	}
	w.prompts, err = readFile(r.Prompts)
	return err
}

func (w *lsatWorker) pick(indices []int) ([]prompt.Sequence, error) {
	out := make([]prompt.Sequence, len(indices))
	for k, i := range indices {
		if i < 0 || i >= len(w.prompts.Sequences) {
			return nil, fmt.Errorf("prompt %d of %d", i, len(w.prompts.Sequences))
		}
		out[k] = w.prompts.Sequences[i]
	}
	return out, nil
}

// peak measures the machine itself: square matrix products through the same backend.
func (w *lsatWorker) peak(ctx context.Context) (answer, error) {
	dtype := dtypes.Float32
	if w.dtype == "bf16" {
		dtype = dtypes.BFloat16
	}
	var best float64
	sizes := []int{1024, 2048}
	if w.device == device.XLACUDA {
		sizes = []int{4096, 8192}
	}
	for _, n := range sizes {
		v, err := device.Speed(ctx, w.backend, dtype, n, time.Second)
		if err != nil {
			return answer{}, err
		}
		best = max(best, v)
	}
	return answer{GFLOPS: best}, nil
}

// train is one optimizer step on all of the prompts asked for, by the trainer itself with all that it does.
func (w *lsatWorker) train(ctx context.Context, r request) (answer, error) {
	r.Step = 1 << 20
	r.Seed = w.runs
	w.runs++
	r.Out = ""
	return w.fit(ctx, r)
}

// fit is one epoch over the prompts asked for, from a fresh adapter, which is kept where r.Out says.
func (w *lsatWorker) fit(ctx context.Context, r request) (answer, error) {
	seqs, err := w.pick(r.Indices)
	if err != nil {
		return answer{}, err
	}
	if w.hidden != "" {
		states, err := w.engine.Freeze(ctx, seqs, w.layers-w.topLayers, w.hidden, nil)
		if err != nil {
			return answer{}, err
		}
		defer func() { _ = states.Close() }() // it was only read
	}
	dir, err := os.MkdirTemp("", "lsat-bench-")
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // scratch
	spec := train.Spec{Backbone: w.engine.BackboneHash(), Numerics: w.engine.Numerics(), Hyper: train.Hyper{Batch: r.Step}, Adapter: adapter.Config{TopLayers: w.topLayers}, Seed: r.Seed}
	res, err := train.Run(ctx, spec, w.engine, train.Data{Train: prompt.List(seqs), Answers: w.prompts.Answers}, nil, filepath.Join(dir, "job"), nil)
	if err != nil {
		return answer{}, err
	}
	a := answer{Loss: res.Losses[len(res.Losses)-1]}
	if r.Out == "" {
		return a, nil
	}
	return a, adapter.Replace(r.Out, res.Adapter)
}

// score scores the prompts with each of the first r.Passes adapters and returns the log-odds of the first.
func (w *lsatWorker) score(ctx context.Context, r request) (answer, error) {
	seqs, err := w.pick(r.Indices)
	if err != nil {
		return answer{}, err
	}
	return w.scoreWith(ctx, seqs, w.adapters[:min(len(w.adapters), max(1, r.Passes))])
}

// scoreWith scores with every adapter and returns the log-odds of the first.
func (w *lsatWorker) scoreWith(ctx context.Context, seqs []prompt.Sequence, adapters []*adapter.Adapter) (answer, error) {
	each, err := w.engine.ScoreEach(ctx, seqs, w.prompts.Answers, adapters, nil)
	if err != nil {
		return answer{}, err
	}
	return answer{LogOdds: slices.Concat(each[0]...)}, nil
}

// rerank asks for whole lists, one after another, and returns how long each took.
func (w *lsatWorker) rerank(ctx context.Context, r request) (answer, error) {
	var a answer
	for _, l := range r.Indices {
		if l < 0 || l >= len(w.prompts.Lists) {
			return answer{}, fmt.Errorf("list %d of %d", l, len(w.prompts.Lists))
		}
		seqs, err := w.pick(w.prompts.Lists[l])
		if err != nil {
			return answer{}, err
		}
		start := time.Now()
		odds, err := w.rankOne(ctx, seqs)
		if err != nil {
			return answer{}, err
		}
		a.Latencies = append(a.Latencies, time.Since(start).Seconds())
		a.LogOdds = append(a.LogOdds, odds...)
	}
	return a, nil
}

// rankOne scores one user's candidates: sequences that begin alike, the history, and end with a candidate each.
func (w *lsatWorker) rankOne(ctx context.Context, seqs []prompt.Sequence) ([]float64, error) {
	prompt.ShareBeginning(seqs)
	a, err := w.scoreWith(ctx, seqs, w.adapters[:min(1, len(w.adapters))])
	return a.LogOdds, err
}
