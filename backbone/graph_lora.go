package backbone

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// LoRA are one projection's adapter factors as graph nodes, float32: A [r, in], B [out, r].
type LoRA struct{ A, B *Node }

// Dropout describes the random dropping of adapter inputs in a training step.
type Dropout struct {
	// Rate is the probability of dropping; 0 means none and then Seed may be nil.
	Rate float64
	// Seed is a uint32 scalar node: LayerSeed's of the layer.
	Seed *Node
}

// LayerSeed is a layer's own seed for dropout, drawn from the step's.
func LayerSeed(seed uint32, layer int) uint32 { return seed + uint32(4*layer)*siteStep }

const siteStep = 0x85EBCA77

// site is a place in a layer where adapters read: the modules that share one input.
type site struct {
	number  uint32
	modules []string
}

var (
	siteAttentionIn  = site{0, []string{"q_proj", "k_proj", "v_proj"}}
	siteAttentionOut = site{1, []string{"o_proj"}}
	siteMLPIn        = site{2, []string{"gate_proj", "up_proj"}}
	siteMLPOut       = site{3, []string{"down_proj"}}
)

// slot is an adapted module of a site.
type slot struct {
	module   string
	lora     LoRA
	from, to int // its columns of the site's result
	rank, at int // its rank, and its first column of z
}

// slots lists the adapted modules of a site.
func (gr *Transformer) slots(l *Layer, s site) []slot {
	var out []slot
	column, at := 0, 0
	for _, m := range s.modules {
		width := gr.width(m)
		if f, ok := l.Adapter[m]; ok {
			r := f.A.Shape().Dimensions[0]
			out = append(out, slot{m, f, column, column + width, r, at})
			at += r
		}
		column += width
	}
	return out
}

// width is the number of a module's outputs.
func (gr *Transformer) width(module string) int {
	c := gr.Config
	switch module {
	case "q_proj":
		return c.Heads * c.HeadDim
	case "k_proj", "v_proj":
		return c.KVHeads * c.HeadDim
	case "gate_proj", "up_proj":
		return c.FFN
	}
	return c.Hidden
}

// adaptIn is an adapter's input at a site after dropout, and the factor that dropped (nil without).
func (gr *Transformer) adaptIn(l *Layer, s site, x *Node) (input, factor *Node) {
	if l.Dropout.Rate <= 0 {
		return x, nil
	}
	factor = gr.dropFactor(x, l.Dropout, s.number*siteStep+0x27D4EB2F)
	return Mul(x, factor), factor
}

// stackA lays the A factors of slots under each other, so that their input is read once.
func (gr *Transformer) stackA(slots []slot) *Node {
	as := make([]*Node, len(slots))
	for i, t := range slots {
		as[i] = t.lora.A
	}
	return ConvertDType(concatenate(as, 0), gr.DType)
}

func (gr *Transformer) scaledB(l *Layer, t slot) *Node {
	return ConvertDType(MulScalar(t.lora.B, l.Scale), gr.DType)
}

// adapt adds the adapter's share to a site's result y: scale * dropout(x) A^T B^T for each of its modules, which share one
// input x [rows, in] and one dropout mask.
func (gr *Transformer) adapt(l *Layer, s site, x, y *Node) *Node {
	slots := gr.slots(l, s)
	if len(slots) == 0 {
		return y
	}
	input, _ := gr.adaptIn(l, s, x)
	z := dense(input, gr.stackA(slots))
	var parts []*Node
	done := 0
	for _, t := range slots {
		if t.from > done {
			parts = append(parts, columns(y, done, t.from))
		}
		parts = append(parts, Add(columns(y, t.from, t.to), dense(columns(z, t.at, t.at+t.rank), gr.scaledB(l, t))))
		done = t.to
	}
	if end := y.Shape().Dimensions[1]; end > done {
		parts = append(parts, columns(y, done, end))
	}
	return concatenate(parts, 1)
}

// adaptBack adds the gradients of a site's factors to grads and returns that of the modules' shared input, whose value x gives (nil
// if no module is adapted). dy is the gradient of the site's result.
func (gr *Transformer) adaptBack(l *Layer, s site, x func() *Node, dy *Node, grads map[string]LoRA) *Node {
	slots := gr.slots(l, s)
	if len(slots) == 0 {
		return nil
	}
	input, factor := gr.adaptIn(l, s, x())
	a := gr.stackA(slots)
	z := dense(input, a)
	dzs := make([]*Node, len(slots))
	for i, t := range slots {
		d := columns(dy, t.from, t.to)
		dzs[i] = denseBack(d, gr.scaledB(l, t))
		grads[t.module] = LoRA{B: MulScalar(Transpose(barrier(overRows(columns(z, t.at, t.at+t.rank), d)), 0, 1), l.Scale)}
	}
	dz := concatenate(dzs, -1)
	dA := overRows(dz, input)
	for _, t := range slots {
		g := grads[t.module]
		g.A = Slice(dA, AxisRange(t.at, t.at+t.rank), AxisRange())
		grads[t.module] = g
	}
	dx := denseBack(dz, a)
	if factor != nil {
		dx = Mul(dx, factor)
	}
	return dx
}

func concatenate(xs []*Node, axis int) *Node {
	if len(xs) == 1 {
		return xs[0]
	}
	return Concatenate(xs, axis)
}
