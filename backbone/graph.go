package backbone

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// Rows are a batch of packed rows as graph nodes, all int32, [B, T] but for Looks. B is the number of rows, T their length in tokens.
type Rows struct {
	// Positions are the tokens' places within their own sequence.
	Positions *Node
	// Segments number the sequences within a row, and Ends says up to which of them, but not including it, a token belongs to them all:
	// a token of segment s sees those with Segments <= s < Ends. So a sequence sees its own tokens alone, and those of an earlier one that
	// both begin with. Padding has -1 and 0.
	Segments, Ends *Node
	// Steps are the ordinals of items (-1: always visible), and Lowest the smallest ordinal that a token may see.
	Steps, Lowest *Node
	// Looks [B, blocks, Band.Units] are the units of the row that a block's tokens look at, each once, then -1 where there are fewer; nil without Band.Units.
	Looks *Node
}

// Sight is what all layers of one kind share: the rotary tables [B*T, 1, headDim/2] and the additive attention masks, one for each of Spans, float32, and Rows.Looks.
type Sight struct {
	Cos, Sin *Node
	Masks    []*Node
	Looks    *Node
}

// Nodes lists a Sight, in order.
func (s Sight) Nodes() []*Node {
	out := append([]*Node{s.Cos, s.Sin}, s.Masks...)
	if s.Looks != nil {
		out = append(out, s.Looks)
	}
	return out
}

// Transformer builds the parts of a backbone's computation, each within a graph-building function of its own: what comes before the layers, a
// layer forward and backward, and the answer. Whoever runs them hands the results of one to the next. Layers have the
// same shapes, so that one compiled program serves them all. Like every GoMLX graph function, the methods panic on inconsistent
// shapes, which the caller turns into an error.
type Transformer struct {
	Config Config
	// DType is the type that activations and products have; norms, softmax and the loss are always float32.
	DType dtypes.DType
	// Batch is B and Time T.
	Batch, Time int
	// Band bounds what attention compares.
	Band Band
}

// Embed returns the hidden states that enter the first layer, [B*T, hidden]. embed is the table [vocabulary, hidden], tokens [B, T].
func (gr *Transformer) Embed(embed, tokens *Node) *Node {
	x := Gather(embed, Reshape(tokens, gr.Batch*gr.Time, 1))
	if s := gr.Config.EmbeddingScale; s != 0 && s != 1 {
		x = MulScalar(x, s)
	}
	return x
}

// Kinds is the number of kinds of layers: two where some look through a sliding window.
func (c Config) Kinds() int {
	if c.Sliding > 0 {
		return 2
	}
	return 1
}

// Kind is 1 for sliding-window layers, which have their own mask and rotary table, and 0 for the others.
func (c Config) Kind(layer int) int {
	if c.Sliding > 0 && layer < len(c.SlidingLayers) && c.SlidingLayers[layer] {
		return 1
	}
	return 0
}

// Sight returns what the layers of a kind share.
func (gr *Transformer) Sight(rows Rows, kind int) Sight {
	base, scaling, sliding := gr.Config.RopeBase, gr.Config.RopeScaling, 0
	if kind == 1 {
		sliding = gr.Config.Sliding
		if local := gr.Config.RopeLocalBase; local != 0 {
			base, scaling = local, nil
		}
	}
	s := Sight{Looks: rows.Looks}
	for _, sp := range gr.spans() {
		s.Masks = append(s.Masks, gr.attentionMask(rows, sliding, sp))
	}
	s.Cos, s.Sin = gr.rotary(rows.Positions, base, scaling)
	return s
}

// Answer returns logit(yes) - logit(no) for x [N, hidden], [N] float32, and the two logits [N, 2] before a softcap. heads [2, hidden] are the output head's rows of
// the yes word and of the no word, float32; weight is that of the final norm.
func (gr *Transformer) Answer(weight, x, heads *Node) (logOdds, logits *Node) {
	h := gr.norm(x, weight)
	logits = Dot(ConvertDType(h, dtypes.Float32), heads).General([]int{1}, nil, []int{1}, nil)
	capped := logits
	if c := gr.Config.LogitSoftcap; c != 0 {
		capped = MulScalar(Tanh(MulScalar(logits, 1/c)), c)
	}
	yes := Reshape(columns(capped, 0, 1), -1)
	no := Reshape(columns(capped, 1, 2), -1)
	return Sub(yes, no), logits
}

// AnswerBack carries dLogOdds [N] back through Answer to x.
func (gr *Transformer) AnswerBack(weight, x, heads, logits, dLogOdds *Node) *Node {
	d := ExpandAxes(dLogOdds, -1)
	dLogits := Concatenate([]*Node{d, Neg(d)}, -1) // [N, 2]
	if c := gr.Config.LogitSoftcap; c != 0 {
		th := Tanh(MulScalar(logits, 1/c))
		dLogits = Mul(dLogits, OneMinus(Square(th)))
	}
	dh := Dot(dLogits, heads).General([]int{1}, nil, []int{0}, nil)
	return gr.normBack(x, weight, dh)
}

// Loss is the summed cross-entropy -log sigmoid(±log-odds) over the targets, and its gradient with respect to the
// log-odds. labels [N] is 1 for yes and 0 for no; weights [N] is 0 for padding. All are float32.
func Loss(logOdds, labels, weights *Node) (loss, dLogOdds *Node) {
	sign := AddScalar(MulScalar(labels, 2), -1)
	m := Mul(logOdds, sign)
	// log(1+exp(-m)), stable on both sides
	each := Add(MaxScalar(Neg(m), 0.0), Log1P(Exp(Neg(Abs(m)))))
	loss = ReduceAllSum(Mul(each, weights))
	return loss, Mul(Sub(Sigmoid(logOdds), labels), weights)
}

// dense is x W^T: x [rows, in], w [out, in]. It asks for no accumulator type: with one, GoMLX's gradients and go-xla's products
// convert or copy the weights (XLA accumulates bfloat16 products in float32 anyway).
func dense(x, w *Node) *Node {
	return Dot(x, w).WithAccumulatorDType(dtypes.InvalidDType).General([]int{1}, nil, []int{1}, nil)
}

// denseBack is y W, the product that carries a gradient back through dense: y [rows, out], w [out, in].
func denseBack(y, w *Node) *Node {
	return Dot(y, w).WithAccumulatorDType(dtypes.InvalidDType).General([]int{1}, nil, []int{0}, nil)
}

// overRows is a^T b in float32, a sum over the rows of both: a [rows, m], b [rows, n] -> [m, n]. The
// first one is turned over in memory, so it should be the narrow one.
func overRows(a, b *Node) *Node {
	return Dot(turned(a), b).WithAccumulatorDType(dtypes.InvalidDType).WithOutputDType(dtypes.Float32).
		General([]int{1}, nil, []int{0}, nil)
}

func columns(x *Node, from, to int) *Node { return Slice(x, AxisRange(), AxisRange(from, to)) }

func addMaybe(x, y *Node) *Node {
	if y == nil {
		return x
	}
	return Add(x, y)
}
