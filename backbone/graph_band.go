package backbone

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// Band says which keys a query is compared with at all. The tokens of a row are cut into blocks; a block's queries meet the keys of the
// first Header tokens of the row, and of their own block and the Back blocks before it, or, where Units is not 0, of that many units
// that are listed for each block (Rows.Looks). Whoever packs the rows sees to it that
// no token may look at anything else; the mask then decides exactly. The zero value means the whole row. What it saves: attention over a
// long row costs by its keys, not by its length.
type Band struct {
	// Block divides the row's length; 0 means one block.
	Block int
	// Back is how many blocks before its own a block looks at, fewer than there are.
	Back int
	// Header is how many tokens at the row's start every block looks at. With Units it is a multiple of UnitTokens, and lists leave these tokens out.
	Header int
	// Units is how many units of UnitTokens tokens are listed for a block; 0 means that blocks look back.
	Units int
	// Short is how many blocks, the row's first ones, have no more than Few units listed. Whoever packs the rows may put blocks in any order but for the
	// header's: with listed units, what a token looks at need not stand before it.
	Short, Few int
}

// blocks is the number of blocks in a row.
func (gr *Transformer) blocks() int { return gr.Time / gr.block() }

// band is Band with the whole row as one block where it is the zero value.
func (gr *Transformer) band() Band {
	if gr.Band.Block == 0 {
		return Band{Block: gr.Time}
	}
	return gr.Band
}

// block is a block's length.
func (gr *Transformer) block() int { return gr.band().Block }

// span is a run of blocks that meet equally many keys.
type span struct{ first, blocks, keys int }

// spans cuts a row's blocks into spans, in order.
func (gr *Transformer) spans() []span {
	b, n := gr.band(), gr.blocks()
	if b.Short == 0 {
		return []span{{0, n, b.Keys()}}
	}
	return []span{{0, b.Short, b.Header + b.Few*UnitTokens}, {b.Short, n - b.Short, b.Keys()}}
}

// Spans is how many masks a Sight has.
func (gr *Transformer) Spans() int { return len(gr.spans()) }

// of are a span's blocks of x [B, blocks, ...].
func (sp span) of(x *Node) *Node {
	if sp.blocks == x.Shape().Dimensions[1] {
		return x
	}
	return Slice(x, AxisRange(), AxisRange(sp.first, sp.first+sp.blocks))
}

// Keys is the number of keys that a query is compared with, at most; 0 for the zero value, which goes by the row.
func (b Band) Keys() int {
	if b.Units > 0 {
		return b.Header + b.Units*UnitTokens
	}
	return b.Header + (b.Back+1)*b.Block
}

// extend lays the keys of every block of a span side by side: x [G, T, w] -> [G, blocks, keys, w], G a multiple of B, row by row. Blocks before the first one
// are zeros. looks is Rows.Looks.
func (gr *Transformer) extend(x, looks *Node, sp span) *Node {
	b, n := gr.band(), sp.blocks
	g, w := x.Shape().Dimensions[0], x.Shape().Dimensions[2]
	var parts []*Node
	if b.Header > 0 {
		header := Reshape(Slice(x, AxisRange(), AxisRange(0, b.Header), AxisRange()), g, 1, b.Header, w)
		parts = append(parts, BroadcastToDims(header, g, n, b.Header, w))
	}
	if b.Units > 0 {
		return concatenate(append(parts, gr.listed(x, looks, sp)), 2)
	}
	blocks := Reshape(x, g, n, b.Block, w)
	if b.Back > 0 {
		before := Zeros(x.Graph(), shapes.Make(x.DType(), g, b.Back, b.Block, w))
		padded := Concatenate([]*Node{before, blocks}, 1)
		for s := range b.Back {
			parts = append(parts, Slice(padded, AxisRange(), AxisRange(s, s+n), AxisRange(), AxisRange()))
		}
	}
	return concatenate(append(parts, blocks), 2)
}

// extendBack carries the gradients of extend's results for all spans [G, blocks, keys, w] back to x [G, T, w]: every token gathers what it was lent for.
func (gr *Transformer) extendBack(ds []*Node, looks *Node) *Node {
	b, d := gr.band(), ds[0]
	dims := d.Shape().Dimensions
	g, w := dims[0], dims[3]
	if b.Units > 0 {
		sum := gr.listedBack(ds, looks)
		for _, d := range ds {
			sum = gr.headerBack(ConvertDType(d, dtypes.Float32), sum)
		}
		return ConvertDType(sum, gr.DType)
	}
	if b.Back == 0 && b.Header == 0 {
		return Reshape(d, g, gr.Time, w)
	}
	d = ConvertDType(d, dtypes.Float32)
	zeros := func(count, size int) *Node { return Zeros(d.Graph(), shapes.Make(dtypes.Float32, g, count, size, w)) }
	var sum *Node
	for s := range b.Back + 1 { // what block i lent to block i+Back-s
		lo := b.Header + s*b.Block
		part := Slice(d, AxisRange(), AxisRange(b.Back-s), AxisRange(lo, lo+b.Block), AxisRange())
		if late := b.Back - s; late > 0 {
			part = Concatenate([]*Node{part, zeros(late, b.Block)}, 1)
		}
		if sum == nil {
			sum = part
		} else {
			sum = Add(sum, part)
		}
	}
	return ConvertDType(gr.headerBack(d, Reshape(sum, g, gr.Time, w)), gr.DType)
}

// headerBack adds what the header's tokens were lent for to sum [G, T, w] float32.
func (gr *Transformer) headerBack(d, sum *Node) *Node {
	b, g, w := gr.band(), d.Shape().Dimensions[0], d.Shape().Dimensions[3]
	if b.Header > 0 {
		header := ReduceSum(Slice(d, AxisRange(), AxisRange(), AxisRange(0, b.Header), AxisRange()), 1)
		if rest := gr.Time - b.Header; rest > 0 {
			header = Concatenate([]*Node{header, Zeros(d.Graph(), shapes.Make(dtypes.Float32, g, rest, w))}, 1)
		}
		sum = Add(sum, header)
	}
	return sum
}

// attentionMask is 0 where a query of a span may look at a key and a huge negative number elsewhere, [B, 1, blocks, 1, block, keys] float32.
func (gr *Transformer) attentionMask(in Rows, sliding int, sp span) *Node {
	g := in.Segments.Graph()
	b, n := gr.band(), sp.blocks
	scalar := func(v int) *Node { return Scalar(g, dtypes.Int32, v) }
	of := func(x *Node) *Node { return sp.of(Reshape(x, gr.Batch, gr.blocks(), b.Block, 1)) } // by the looking token
	at := func(x *Node) *Node {                                                               // by the token looked at
		return Reshape(gr.extend(Reshape(x, gr.Batch, gr.Time, 1), in.Looks, sp), gr.Batch, n, 1, sp.keys)
	}
	var ok *Node
	if b.Units > 0 {
		ok = And(gr.isListed(in.Looks, sp), GreaterOrEqual(of(in.Positions), at(in.Positions)))
	} else {
		ok = gr.onTheWay(g)
	}
	segment, end, step := at(in.Segments), at(in.Ends), at(in.Steps)
	ok = And(ok, And(GreaterOrEqual(of(in.Segments), segment), LessThan(of(in.Segments), end)))
	ok = And(ok, Or(LessThan(step, scalar(0)), GreaterOrEqual(step, of(in.Lowest))))
	if sliding > 0 {
		ok = And(ok, LessThan(Sub(of(in.Positions), at(in.Positions)), scalar(sliding)))
	}
	mask := Where(ok, Scalar(g, dtypes.Float32, 0), Scalar(g, dtypes.Float32, masked))
	return Reshape(mask, gr.Batch, 1, n, 1, b.Block, sp.keys)
}

// onTheWay says which keys stand at the query's place in the row or before it, each counted once: [1, blocks, block, keys] of truth values.
func (gr *Transformer) onTheWay(g *Graph) *Node {
	b, n := gr.band(), gr.blocks()
	scalar := func(v int) *Node { return Scalar(g, dtypes.Int32, v) }
	block := func(size ...int) *Node { return Iota(g, shapes.Make(dtypes.Int32, size...), 1) }
	row := Add(MulScalar(block(1, n, b.Block, 1), b.Block), Iota(g, shapes.Make(dtypes.Int32, 1, n, b.Block, 1), 2))
	slot := Iota(g, shapes.Make(dtypes.Int32, 1, n, 1, b.Keys()), 3)
	inHeader := LessThan(slot, scalar(b.Header))
	// A key of the header counts as one only where the blocks do not reach back to it.
	first := MulScalar(AddScalar(block(1, n, 1, b.Keys()), -b.Back), b.Block) // of the blocks looked at
	col := Where(inHeader, slot, Add(first, AddScalar(slot, -b.Header)))
	ok := Or(And(inHeader, LessThan(slot, first)), And(LogicalNot(inHeader), GreaterOrEqual(col, scalar(0))))
	return And(ok, GreaterOrEqual(row, col))
}
