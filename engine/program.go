package engine

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"lsat/backbone"
)

// stage is a part of a batch's way through the model that is one compiled program. Layers have the same shapes, so that one program
// of a stage serves them all: compiling takes a thirtieth of what it would take for thirty layers in one program, what is kept for
// the way back is what the stages hand on, and a new batch shape is cheap.
type stage string

const (
	// begin: embedding table, tokens, the rows' tables -> hidden states, and a Sight's nodes for every kind of layer.
	begin stage = "begin"
	// resume: the rows' tables -> a Sight's nodes for every kind of layer; hidden states are there already.
	resume stage = "resume"
	// forward: layer, sight, hidden states, seed -> hidden states, and what is kept.
	forward stage = "forward"
	// score: the last layer and its sight, hidden states, seed, targets, heads, final norm -> log-odds.
	score stage = "score"
	// turn: the same, labels, weights, offsets -> loss, the gradient of the hidden states, the factors' gradients as one flat array.
	turn stage = "turn"
	// backward: layer, sight, seed, what was kept, gradient of the result -> gradient of the hidden states, the factors' gradients likewise.
	backward stage = "backward"
)

// signature is what decides a compiled program, besides the factors' ranks and the number of targets.
type signature struct {
	stage      stage
	rows, time int
	band       backbone.Band
	weights    string // names of the layer's weights
	modules    string // names of its adapted modules
	scale      float64
	dropout    float64
	keep       bool // a forward stage returns what the way back needs
}

// program returns the executor for a signature; it compiles when it is first called.
func (e *Engine) program(sig signature) (*graph.Exec, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p, ok := e.programs[sig]; ok {
		return p, nil
	}
	p, err := graph.NewExec(e.backend, func(args []*graph.Node) []*graph.Node {
		b := builder{sig: sig, args: args, transformer: &backbone.Transformer{
			Config: e.model.Config, DType: e.dtype, Batch: sig.rows, Time: sig.time, Band: sig.band}}
		return b.build()
	})
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	p.SetMaxCache(-1)
	p.WithName("lsat " + string(sig.stage))
	e.programs[sig] = p
	return p, nil
}

// builder turns a program's arguments, in the order of its stage, into its results.
type builder struct {
	sig         signature
	args        []*graph.Node
	transformer *backbone.Transformer
}

func (b *builder) next() *graph.Node {
	n := b.args[0]
	b.args = b.args[1:]
	return n
}

func (b *builder) build() []*graph.Node {
	tr := b.transformer
	switch b.sig.stage {
	case begin:
		embed, tokens := b.next(), b.next()
		return append([]*graph.Node{tr.Embed(embed, tokens)}, b.sights()...)
	case resume:
		return b.sights()
	}
	l, s := b.layer(), b.sight()
	switch b.sig.stage {
	case forward:
		x := b.next()
		l.Dropout.Seed = b.next()
		y, kept := tr.Forward(l, s, x)
		if !b.sig.keep {
			return []*graph.Node{y}
		}
		return append([]*graph.Node{y}, kept.Nodes()[1:]...) // what came in is held already
	case backward:
		l.Dropout.Seed = b.next()
		dx := b.args[len(b.args)-1]
		d, grads := tr.Backward(l, s, backbone.KeptOf(b.args[:len(b.args)-1]), dx)
		return append([]*graph.Node{d}, b.factorsOf(grads)...)
	}
	x := b.next()
	l.Dropout.Seed = b.next()
	l.Targets = b.next()
	heads, norm := b.next(), b.next()
	y, kept := tr.Forward(l, s, x)
	logOdds, logits := tr.Answer(norm, y, heads)
	if b.sig.stage == score {
		return []*graph.Node{logOdds}
	}
	labels, weights, offsets := b.next(), b.next(), b.next()
	loss, d := backbone.Loss(graph.Add(logOdds, offsets), labels, weights)
	dx, grads := tr.Backward(l, s, kept, tr.AnswerBack(norm, y, heads, logits, d))
	return append([]*graph.Node{loss, dx}, b.factorsOf(grads)...)
}

// layer takes a layer's weights and factors.
func (b *builder) layer() *backbone.Layer {
	l := &backbone.Layer{Weights: map[string]*graph.Node{}, Adapter: map[string]backbone.LoRA{}, Scale: b.sig.scale,
		Dropout: backbone.Dropout{Rate: b.sig.dropout}}
	for _, name := range strings.Fields(b.sig.weights) {
		l.Weights[name] = b.next()
	}
	for _, m := range strings.Fields(b.sig.modules) {
		l.Adapter[m] = backbone.LoRA{A: b.next(), B: b.next()}
	}
	return l
}

func (b *builder) sight() backbone.Sight {
	s := backbone.Sight{Cos: b.next(), Sin: b.next()}
	for range b.transformer.Spans() {
		s.Masks = append(s.Masks, b.next())
	}
	if b.sig.band.Units > 0 {
		s.Looks = b.next()
	}
	return s
}

func (b *builder) sights() []*graph.Node {
	rows := backbone.Rows{Positions: b.next(), Segments: b.next(), Ends: b.next(), Steps: b.next(), Lowest: b.next()}
	if b.sig.band.Units > 0 {
		rows.Looks = b.next()
	}
	var out []*graph.Node
	for kind := range b.transformer.Config.Kinds() {
		out = append(out, b.transformer.Sight(rows, kind).Nodes()...)
	}
	return out
}

// factorsOf lays a layer's gradients one behind the other in the order of the factors, flat: a device hands a single array back sooner than
// many small ones. A layer without an adapter has none.
func (b *builder) factorsOf(grads map[string]backbone.LoRA) []*graph.Node {
	var flat []*graph.Node
	for _, m := range strings.Fields(b.sig.modules) {
		g, ok := grads[m]
		if !ok {
			panic(fmt.Errorf("the model has no projection for %s", m))
		}
		flat = append(flat, graph.Reshape(g.A, -1), graph.Reshape(g.B, -1))
	}
	if len(flat) == 0 {
		return nil
	}
	return []*graph.Node{graph.Concatenate(flat, 0)}
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
