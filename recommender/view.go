package recommender

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// view is what the graph of a model sees of a batch. Histories are right-aligned: the newest item stands last, padding first.
type view struct {
	sizes sizes
	batch int
	param map[string]*Node
	// user and item are [batch]: the user and the target of each sample.
	user, item *Node
	// history is [batch, history]: the items, 0 where there is none. label is 1 where the item was liked, -1 where not, and 0 without an item or where labels
	// are hidden; there is 1 where there is an item, else 0.
	history, label, there *Node
	// words and wordWeights are [batch, bag]: the target's words, and their weights, 0 for padding.
	words, wordWeights *Node
	// dropout is the share left out, 0 where nothing is trained; random the state of the generator.
	dropout float64
	random  *Node
}

// constant is what every score starts from.
var constant = parameter{name: "constant", rows: 1, cols: 1}

func (v *view) constant() *Node { return Reshape(v.param["constant"], 1) }

// base is the constant and the target's bias, [batch].
func (v *view) base() *Node { return Add(v.bias("item bias", byTarget), v.constant()) }

// sequenceParameters are what sequence takes.
func sequenceParameters(s sizes) []parameter {
	return []parameter{
		itemTable("item", s),
		{name: "label", rows: s.dim, cols: s.dim, spread: 1 / math.Sqrt(float64(s.dim))},
		{name: "label bias", rows: 1, cols: s.dim, spread: embeddingSpread},
	}
}

// sequence is the history as [batch, history, dim]: of an item with embedding e and label s (1 or -1), e + s (e W + w), and 0 without an item. So a
// disliked item can point away from where the liked one points, as a sum with a label's embedding could not.
func (v *view) sequence() *Node {
	d := v.sizes.dim
	e := v.rows("item", byHistory)
	turned := Reshape(Add(MatMul(Reshape(e, v.batch*v.sizes.history, d), v.param["label"]), v.param["label bias"]), v.batch, v.sizes.history, d)
	return Mul(Add(e, Mul(InsertAxes(v.label, -1), turned)), InsertAxes(v.there, -1))
}

// dropped leaves out a share of the numbers in training, and scales the others up.
func (v *view) dropped(x *Node) *Node {
	if v.dropout == 0 {
		return x
	}
	var draw *Node
	v.random, draw = RandomUniform(v.random, x.Shape())
	keep := ConvertDType(GreaterOrEqual(draw, Scalar(x.Graph(), x.DType(), v.dropout)), x.DType())
	return MulScalar(Mul(x, keep), 1/(1-v.dropout))
}

func relu(x *Node) *Node { return MaxScalar(x, 0.) }

func shapeOf(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }
