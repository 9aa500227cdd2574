package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"lsat/adapter"
	"lsat/backbone"
	"lsat/device"
	"lsat/engine"
	"lsat/internal/hostmemory"
	"lsat/prompt"
	"lsat/train"
)

// runOptions are the flags of bigmodel run.
type runOptions struct {
	device, dtype, quantize string
	rows, tokens            int
	noTrain                 bool
}

// stages prints a line at the end of each stage of work.
type stages struct {
	w     io.Writer
	began time.Time
}

func (s *stages) end(name string) {
	now, _ := hostmemory.Resident() // 0 where it cannot be told
	peak, _ := hostmemory.Peak()
	const gb = 1e9
	_, _ = fmt.Fprintf(s.w, "%-28s %8.2f s   resident %6.2f GB   peak %6.2f GB\n", name, time.Since(s.began).Seconds(), float64(now)/gb, float64(peak)/gb)
	s.began = time.Now()
}

// measure loads the model, scores a batch of full rows twice and trains two steps on it; the first of each compiles.
func measure(ctx context.Context, dir string, o runOptions, w io.Writer) error {
	s := &stages{w, time.Now()}
	b, on, _, err := device.Open(o.device)
	if err != nil {
		return err
	}
	s.end("open " + on)
	m, err := backbone.Load(ctx, dir, backbone.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }() // only read
	s.end("map and hash the files")
	e, err := engine.New(ctx, m, b, engine.Options{DType: o.dtype, Quantize: o.quantize, RowTokens: o.tokens, BatchTokens: o.rows * o.tokens})
	if err != nil {
		return err
	}
	defer e.Close()
	s.end("weights to the device")
	for _, train := range []bool{false, true} {
		work := engine.Work{DType: o.dtype, Quantize: o.quantize, Rows: o.rows, RowTokens: o.tokens, Train: train}
		m, err := engine.EstimateMemory(m.Config, work)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "estimate: %s takes %.2f GB (%s)\n", work, float64(m.Total())/1e9, m); err != nil {
			return err
		}
	}
	seqs, answers := rows(o, m.Config.Vocab)
	a, err := adapter.New(adapter.Config{}, e.AdapterShapes(), 1)
	if err != nil {
		return err
	}
	for _, name := range []string{"score, first (compiles)", "score"} {
		if _, err := e.Score(ctx, seqs, answers, a, nil); err != nil {
			return err
		}
		s.end(name)
	}
	if o.noTrain {
		return nil
	}
	out, err := os.MkdirTemp("", "bigmodel-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(out) }()
	spec := train.Spec{Backbone: e.BackboneHash(), Numerics: e.Numerics(), Hyper: train.Hyper{Epochs: 2, Batch: o.rows * o.tokens}, Seed: 1}
	_, err = train.Run(ctx, spec, e, train.Data{Train: prompt.List(seqs), Answers: answers}, nil, out, func(ev train.Event) {
		s.end(fmt.Sprintf("training step %d, loss %.3f", ev.Step, ev.Loss))
	})
	return err
}

// rows are full rows of arbitrary tokens with a target at every eighth.
func rows(o runOptions, vocab int) ([]prompt.Sequence, prompt.Answers) {
	out := make([]prompt.Sequence, o.rows)
	for i := range out {
		for k := range o.tokens {
			out[i].Tokens = append(out[i].Tokens, int32((i*o.tokens+k)*7919%vocab))
			if k%8 == 7 {
				out[i].Targets = append(out[i].Targets, prompt.Target{Position: int32(k), Label: k%16 == 7})
			}
		}
	}
	return out, prompt.Answers{Yes: 3, No: 4}
}
