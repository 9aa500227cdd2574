package engine

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"lsat/adapter"
	"lsat/backbone"
)

// signature is what decides a compiled program besides its shapes: its layers, which factors there are, their scale, and how it trains.
type signature struct {
	from    int // the layer that it starts at, with hidden states instead of tokens where that is not 0
	until   int // the layer whose input it returns; 0 means that it goes to the end and returns log-odds
	band    backbone.Band
	keys    string
	scale   float64
	train   bool
	dropout float64
}

// program returns the executor for an adapter's layout; it compiles once for every batch shape that it meets.
func (e *Engine) program(keys []adapter.Key, sig signature) (*graph.Exec, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p, ok := e.programs[sig]; ok {
		return p, nil
	}
	p, err := graph.NewExec(e.backend, func(args []*graph.Node) []*graph.Node {
		return e.build(args, keys, sig)
	})
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	p.SetMaxCache(-1)
	p.WithName("lsat")
	e.programs[sig] = p
	return p, nil
}

// build is the graph of one program. Its arguments are, in order: the weights of its layers, the adapter's factors (A, B per key), the
// batch with, for a program that starts above the embedding, hidden states and, for training, labels, weights, offsets and the
// dropout seed. A scoring program returns log-odds; a training program the summed loss and the factors' gradients in the order of the
// arguments.
func (e *Engine) build(args []*graph.Node, keys []adapter.Key, sig signature) []*graph.Node {
	next := func() *graph.Node {
		n := args[0]
		args = args[1:]
		return n
	}
	tr := &backbone.Transformer{
		Config: e.model.Config, DType: e.dtype, Weights: map[string]*graph.Node{},
		Adapter: map[adapter.Key]backbone.LoRA{}, Scale: sig.scale,
	}
	for _, i := range e.weights.between(sig.from, sig.until) {
		tr.Weights[e.weights.names[i]] = next()
	}
	for _, k := range keys {
		tr.Adapter[k] = backbone.LoRA{A: next(), B: next()}
	}
	in := backbone.Inputs{Tokens: next(), Positions: next(), Segments: next(), Steps: next(), Lowest: next(), Targets: next(), Heads: next(), Band: sig.band}
	if sig.until > 0 {
		return []*graph.Node{tr.HiddenStates(in, sig.until)}
	}
	if in.From = sig.from; in.From > 0 {
		in.Hidden = next()
	}
	if !sig.train {
		logOdds, _ := tr.LogOdds(in)
		return []*graph.Node{logOdds}
	}
	labels, weights, offsets, seed := next(), next(), next(), next()
	tr.Dropout = backbone.Dropout{Rate: sig.dropout, Seed: seed}
	logOdds, tape := tr.LogOdds(in)
	loss, d := backbone.Loss(graph.Add(logOdds, offsets), labels, weights)
	grads := tr.Gradients(tape, d)
	out := []*graph.Node{loss}
	for _, k := range keys {
		g, ok := grads[k]
		if !ok {
			panic(fmt.Errorf("the model has no projection for %s", k))
		}
		out = append(out, g.A, g.B)
	}
	return out
}

// arguments are the batch's tensors in the order that build expects, without hidden states.
func (b *batch) arguments(heads []float32) []any {
	grid := func(v []int32) any { return tensors.FromFlatDataAndDimensions(v, b.rows, b.time) }
	return []any{grid(b.tokens), grid(b.positions), grid(b.segments), grid(b.steps), grid(b.lowest),
		tensors.FromFlatDataAndDimensions(b.targets, len(b.targets)),
		tensors.FromFlatDataAndDimensions(heads, 2, len(heads)/2)}
}

// lessons are the further arguments of training.
func (b *batch) lessons(seed uint32) []any {
	return []any{
		tensors.FromFlatDataAndDimensions(b.labels, len(b.labels)),
		tensors.FromFlatDataAndDimensions(b.weights, len(b.weights)),
		tensors.FromFlatDataAndDimensions(b.offsets, len(b.offsets)),
		tensors.FromScalar(seed)}
}

func release(ts ...any) {
	for _, t := range ts {
		if t, ok := t.(*tensors.Tensor); ok && t != nil {
			_ = t.FinalizeAll() // a buffer that cannot be freed is left to the garbage collector
		}
	}
}

// parseDType maps an option's word to a type.
func parseDType(s string) (dtypes.DType, error) {
	switch s {
	case "f32", "float32":
		return dtypes.Float32, nil
	case "bf16", "bfloat16":
		return dtypes.BFloat16, nil
	}
	return dtypes.InvalidDType, fmt.Errorf("engine: dtype %q is unknown: use f32 or bf16", s)
}
