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

// listed gathers every block's listed units from x [G, T, w], G a multiple of B: [G, blocks, Units*UnitTokens, w].
func (gr *Transformer) listed(x, looks *Node) *Node {
	g, w := x.Shape().Dimensions[0], x.Shape().Dimensions[2]
	y := Gather(Reshape(x, g*gr.units(), UnitTokens*w), gr.unitIndices(looks, g))
	return Reshape(y, g, gr.blocks(), gr.band().Units*UnitTokens, w)
}

// listedBack gives every unit of x the sum of the gradients d [G, blocks, keys, w] float32 of what was gathered from it: [G, T, w] float32.
func (gr *Transformer) listedBack(d, looks *Node) *Node {
	b, g, w := gr.band(), d.Shape().Dimensions[0], d.Shape().Dimensions[3]
	d = Slice(d, AxisRange(), AxisRange(), AxisRange(b.Header), AxisRange())
	d = ConvertDType(Reshape(d, g*gr.blocks()*b.Units, UnitTokens*w), dtypes.Float32)
	sum := Scatter(gr.unitIndices(looks, g), d, shapes.Make(dtypes.Float32, g*gr.units(), UnitTokens*w), false, false)
	return Reshape(sum, g, gr.Time, w)
}

// unitIndices turns looks [B, blocks, Units] into indices into the units of G rows, [G*blocks*Units, 1]. A place that nothing is listed in takes the first
// unit, which the mask then hides.
func (gr *Transformer) unitIndices(looks *Node, g int) *Node {
	n, m := gr.blocks(), gr.band().Units
	within := Reshape(Max(looks, Scalar(looks.Graph(), dtypes.Int32, 0)), gr.Batch, 1, n, m)
	within = Reshape(BroadcastToDims(within, gr.Batch, g/gr.Batch, n, m), g, n, m)
	row := MulScalar(Iota(looks.Graph(), shapes.Make(dtypes.Int32, g, n, m), 0), gr.units())
	return Reshape(Add(row, within), g*n*m, 1)
}

// listedPlaces are the places in the row of every block's keys, [B, blocks, 1, keys] int32: below 0 where nothing is listed.
func (gr *Transformer) listedPlaces(looks *Node) *Node {
	b, n := gr.band(), gr.blocks()
	unit := BroadcastToDims(Reshape(MulScalar(looks, UnitTokens), gr.Batch, n, b.Units, 1), gr.Batch, n, b.Units, UnitTokens)
	places := Add(unit, Iota(looks.Graph(), shapes.Make(dtypes.Int32, gr.Batch, n, b.Units, UnitTokens), 3))
	places = Reshape(places, gr.Batch, n, 1, b.Units*UnitTokens)
	if b.Header == 0 {
		return places
	}
	return Concatenate([]*Node{Iota(looks.Graph(), shapes.Make(dtypes.Int32, gr.Batch, n, 1, b.Header), 3), places}, 3)
}
