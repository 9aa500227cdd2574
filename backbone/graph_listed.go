package backbone

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// UnitTokens is the length of the units that lists of keys are made of: it divides Band.Block.
const UnitTokens = 8

// units is the number of units in a row.
func (gr *Transformer) units() int { return gr.Time / UnitTokens }

// listed gathers the listed units of a span's blocks from x [G, T, w], G a multiple of B: [G, blocks, units*UnitTokens, w].
func (gr *Transformer) listed(x, looks *Node, sp span) *Node {
	g, w := x.Shape().Dimensions[0], x.Shape().Dimensions[2]
	y := Gather(Reshape(x, g*gr.units(), UnitTokens*w), gr.unitIndices(looks, g, sp))
	return Reshape(y, g, sp.blocks, sp.keys-gr.band().Header, w)
}

// listedBack gives every unit of x the sum of the spans' gradients ds [G, blocks, keys, w] of what was gathered from it: [G, T, w] float32.
func (gr *Transformer) listedBack(ds []*Node, looks *Node) *Node {
	b, g, w := gr.band(), ds[0].Shape().Dimensions[0], ds[0].Shape().Dimensions[3]
	var from, to []*Node
	for i, sp := range gr.spans() {
		d := Slice(ds[i], AxisRange(), AxisRange(), AxisRange(b.Header), AxisRange())
		from = append(from, ConvertDType(Reshape(d, -1, UnitTokens*w), dtypes.Float32))
		to = append(to, gr.unitIndices(looks, g, sp))
	}
	sum := Scatter(concatenate(to, 0), concatenate(from, 0), shapes.Make(dtypes.Float32, g*gr.units(), UnitTokens*w), false, false)
	return Reshape(sum, g, gr.Time, w)
}

// looksOf are a span's lists, [B, blocks, units] of looks.
func (gr *Transformer) looksOf(looks *Node, sp span) *Node {
	return Slice(sp.of(looks), AxisRange(), AxisRange(), AxisRange(0, (sp.keys-gr.band().Header)/UnitTokens))
}

// unitIndices turns a span's lists into indices into the units of G rows, [G*blocks*units, 1]. A place that nothing is listed in takes the first
// unit, which the mask then hides.
func (gr *Transformer) unitIndices(looks *Node, g int, sp span) *Node {
	looks = gr.looksOf(looks, sp)
	n, m := sp.blocks, looks.Shape().Dimensions[2]
	within := Reshape(Max(looks, Scalar(looks.Graph(), dtypes.Int32, 0)), gr.Batch, 1, n, m)
	within = Reshape(BroadcastToDims(within, gr.Batch, g/gr.Batch, n, m), g, n, m)
	row := MulScalar(Iota(looks.Graph(), shapes.Make(dtypes.Int32, g, n, m), 0), gr.units())
	return Reshape(Add(row, within), g*n*m, 1)
}

// isListed says which of the keys of a span's blocks there are, [B, blocks, 1, keys] of truth values: those of the header, and of the units that are listed.
func (gr *Transformer) isListed(looks *Node, sp span) *Node {
	looks, b := gr.looksOf(looks, sp), gr.band()
	units := looks.Shape().Dimensions[2]
	unit := BroadcastToDims(ExpandAxes(looks, -1), gr.Batch, sp.blocks, units, UnitTokens)
	places := Reshape(unit, gr.Batch, sp.blocks, 1, units*UnitTokens)
	if b.Header > 0 {
		header := Zeros(looks.Graph(), shapes.Make(dtypes.Int32, gr.Batch, sp.blocks, 1, b.Header))
		places = Concatenate([]*Node{header, places}, 3)
	}
	return GreaterOrEqual(places, Scalar(looks.Graph(), dtypes.Int32, 0))
}
