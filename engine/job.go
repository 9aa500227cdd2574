package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/gomlx/core/tensors"

	"lsat/adapter"
	"lsat/prompt"
)

// job is one call's state: where it starts, the adapter on each device, the answers' rows.
type job struct {
	engine     *Engine
	from       int // the layer that it starts at, with hidden states instead of tokens where that is not 0
	train      bool
	dropout    float64
	scale      float64
	parameters int       // of the adapter
	layers     []string  // by layer, the names of its adapted modules
	factors    [][][]any // by replica and layer, A and B of each of them
	heads      []float32 // the output head's rows of the two answers
}

func (e *Engine) start(seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, train bool, dropout float64) (*job, error) {
	if err := check(seqs, e.model.Config.Vocab, e.model.Config.MaxSeq); err != nil {
		return nil, err
	}
	if err := e.checkRows(seqs); err != nil {
		return nil, err
	}
	from, err := e.from(seqs, a)
	if err != nil {
		return nil, err
	}
	j := &job{engine: e, from: from, train: train, dropout: dropout}
	if j.heads, err = headRows(e.model, ans.Yes, ans.No); err != nil {
		return nil, err
	}
	if a != nil {
		if err := a.Check(e.AdapterShapes()); err != nil {
			return nil, fmt.Errorf("engine: the adapter does not fit %s: %w", e.model.Name, err)
		}
	}
	j.open(a)
	return j, nil
}

// open puts the adapter on the devices.
func (j *job) open(a *adapter.Adapter) {
	layers := j.engine.model.Config.Layers
	j.layers = make([]string, layers)
	for range j.engine.replicas {
		j.factors = append(j.factors, make([][]any, layers))
	}
	if a == nil {
		return
	}
	j.scale, j.parameters = a.Scale(), a.NumParameters()
	modules := make([][]string, layers)
	for _, k := range a.Keys() { // layer by layer
		modules[k.Layer] = append(modules[k.Layer], k.Module)
		f := a.Layers[k]
		for _, on := range j.factors {
			for _, m := range []adapter.Matrix{f.A, f.B} {
				on[k.Layer] = append(on[k.Layer], tensors.FromFlatDataAndDimensions(m.Data, m.Rows, m.Cols))
			}
		}
	}
	for n, m := range modules {
		j.layers[n] = strings.Join(m, " ")
	}
}

func (j *job) close() {
	for _, on := range j.factors {
		for _, f := range on {
			release(f...)
		}
	}
}

// lowest is the lowest adapted layer, or the last one where none is adapted.
func (j *job) lowest() int {
	if n := slices.IndexFunc(j.layers, func(modules string) bool { return modules != "" }); n >= 0 {
		return n
	}
	return len(j.layers) - 1
}

// each runs work for every batch, on all devices side by side, and hands the results over in the order of the batches.
func (e *Engine) each(batches []*batch, work func(r *replica, i int) (any, error), take func(i int, result any) error) error {
	replicas := e.replicas
	results, errs := make([]any, len(replicas)), make([]error, len(replicas))
	for lo := 0; lo < len(batches); lo += len(replicas) {
		now := batches[lo:min(lo+len(replicas), len(batches))]
		var wg sync.WaitGroup
		for k := range now {
			wg.Go(func() {
				r := replicas[k]
				r.running.Lock()
				defer r.running.Unlock()
				results[k], errs[k] = work(r, lo+k)
			})
		}
		wg.Wait()
		if err := errors.Join(errs[:len(now)]...); err != nil {
			return err
		}
		for k := range now {
			if err := take(lo+k, results[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// lesson is what a batch teaches: its summed loss, and the gradient in the order of adapter.Flatten.
type lesson struct {
	loss float64
	grad []float32
}

func (j *job) gradient(ctx context.Context, r *replica, seqs []prompt.Sequence, b *batch, seed uint32) (lesson, error) {
	p, err := j.pass(ctx, r, seqs, b, seed)
	if err != nil {
		return lesson{}, err
	}
	defer p.close()
	loss, grads, err := p.gradient(ctx)
	if err != nil {
		return lesson{}, err
	}
	defer release(loss)
	l := lesson{loss: float64(tensors.ToScalar[float32](loss)), grad: make([]float32, 0, j.parameters)}
	for _, layer := range grads {
		for _, g := range layer {
			if err == nil {
				err = tensors.ConstFlatData(g, func(flat []float32) { l.grad = append(l.grad, flat...) })
			}
			release(g)
		}
	}
	if err != nil {
		return lesson{}, fmt.Errorf("engine: reading gradients: %w", err)
	}
	return l, nil
}
