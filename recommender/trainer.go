package recommender

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// trainer is one training in progress. What is learnt stays on the device from step to step.
type trainer struct {
	r       *Recommender
	progs   *programs
	encoder *encoder
	// state is the parameters, then their first and second moments.
	state []*tensors.Tensor
	steps int
}

func newTrainer(r *Recommender, progs *programs, e *encoder, values [][]float32) *trainer {
	t := &trainer{r: r, progs: progs, encoder: e}
	for k, p := range progs.params {
		t.state = append(t.state, tensors.FromFlatDataAndDimensions(values[k], p.rows, p.cols))
	}
	for range 2 {
		for _, p := range progs.params {
			t.state = append(t.state, tensors.FromFlatDataAndDimensions(make([]float32, p.rows*p.cols), p.rows, p.cols))
		}
	}
	return t
}

func (t *trainer) close() { release(t.state) }

func release(list []*tensors.Tensor) {
	for _, x := range list {
		_ = x.FinalizeAll() // a buffer that cannot be freed is left to the garbage collector
	}
}

// epoch goes through the samples once, in an order drawn for it.
func (t *trainer) epoch(ctx context.Context, number int, samples []int) error {
	o := t.r.options
	rng := rand.New(rand.NewPCG(o.Seed, uint64(number)+1))
	order := rng.Perm(len(samples))
	batch := make([]int, 0, o.Batch)
	for lo := 0; lo < len(order); lo += o.Batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		batch = batch[:0]
		for _, k := range order[lo:min(lo+o.Batch, len(order))] {
			batch = append(batch, samples[k])
		}
		if err := t.step(batch, rng.Int64()); err != nil {
			return err
		}
	}
	return nil
}

// step takes one step on a batch.
func (t *trainer) step(batch []int, seed int64) error {
	t.steps++
	random, err := graph.RNGStateFromSeed(seed)
	if err != nil {
		return fmt.Errorf("recommender: %w", err)
	}
	n := len(t.progs.params)
	own := slices.Concat(t.encoder.inputs(batch), t.encoder.lessons(batch), []any{tensors.FromFlatDataAndDimensions(corrections(t.steps), 2), random})
	args := make([]any, 0, len(t.state)+len(own))
	for k, x := range t.state {
		if k == n {
			args = append(args, own...)
		}
		args = append(args, x)
	}
	out, err := t.progs.step.Call(args...)
	for _, x := range own {
		_ = x.(*tensors.Tensor).FinalizeAll() // as in release
	}
	if err != nil {
		return fmt.Errorf("recommender: %s: step %d: %w", t.r.name, t.steps, err)
	}
	release(t.state)
	t.state = out
	return nil
}

// values are the parameters as they stand. Numbers that are none are ErrNotFinite.
func (t *trainer) values() ([][]float32, error) {
	var out [][]float32
	for k, p := range t.progs.params {
		v, err := tensors.CopyFlatData[float32](t.state[k])
		if err != nil {
			return nil, fmt.Errorf("recommender: %s: reading %s: %w", t.r.name, p.name, err)
		}
		for _, x := range v {
			if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, fmt.Errorf("recommender: %s: after %d steps of rate %g, %s is %v: %w", t.r.name, t.steps, t.r.options.LearningRate, p.name, x, ErrNotFinite)
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// scores runs the model on samples.
func (r *Recommender) scores(ctx context.Context, progs *programs, e *encoder, params []*tensors.Tensor, samples []int) ([]float64, error) {
	out := make([]float64, 0, len(samples))
	for lo := 0; lo < len(samples); lo += r.options.Batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := samples[lo:min(lo+r.options.Batch, len(samples))]
		own := e.inputs(part)
		var args []any
		for _, p := range params {
			args = append(args, p)
		}
		res, err := progs.score.Call(append(args, own...)...)
		for _, x := range own {
			_ = x.(*tensors.Tensor).FinalizeAll() // as in release
		}
		if err != nil {
			return nil, fmt.Errorf("recommender: %s: scoring: %w", r.name, err)
		}
		scores, err := tensors.CopyFlatData[float32](res[0])
		release(res)
		if err != nil {
			return nil, fmt.Errorf("recommender: %s: reading scores: %w", r.name, err)
		}
		for _, s := range scores[:len(part)] {
			out = append(out, float64(s))
		}
	}
	return out, nil
}

// loss is the mean loss of scores.
func (r *Recommender) loss(scores []float64, labels []bool) float64 {
	var sum float64
	for k, z := range scores {
		var y float64
		if labels[k] {
			y = 1
		}
		if r.options.Loss == LogLoss {
			sum += max(z, 0) - y*z + math.Log1p(math.Exp(-math.Abs(z)))
		} else {
			sum += (z - y) * (z - y)
		}
	}
	return sum / float64(len(scores))
}
