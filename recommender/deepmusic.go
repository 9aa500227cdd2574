package recommender

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// deepMusic is matrix factorization whose item factors and item biases are computed from the items' content (van den Oord et al. 2013; content here is
// the words of an item's title and its categories, see content): the words' embeddings are added up, and a hidden layer and a linear one make the
// factor of them. It is trained on the prediction's own error, the second of the paper's two objectives, so an item without any rating
// has a factor as good as its words.
type deepMusic struct{}

func (deepMusic) parameters(s sizes) []parameter {
	he := math.Sqrt(2 / float64(s.dim))
	return []parameter{
		userTable("user", s), biases("user bias", users, s), constant,
		{name: "word", rows: s.words, cols: s.dim, spread: .1},
		{name: "hidden", rows: s.dim, cols: s.dim, spread: he}, {name: "hidden bias", rows: 1, cols: s.dim},
		{name: "factor", rows: s.dim, cols: s.dim, spread: he / 4}, {name: "factor bias", rows: 1, cols: s.dim},
		{name: "quality", rows: s.dim, cols: 1, spread: he / 4},
	}
}

func (deepMusic) score(v *view) *Node {
	x := ReduceSum(Mul(v.rows("word", byWord), InsertAxes(v.wordWeights, -1)), 1)
	x = v.dropped(relu(Add(MatMul(x, v.param["hidden"]), v.param["hidden bias"])))
	factor := Add(MatMul(x, v.param["factor"]), v.param["factor bias"])
	quality := Squeeze(MatMul(x, v.param["quality"]), -1)
	taste := ReduceSum(Mul(v.rows("user", byUser), factor), -1)
	return Add(Add(Add(taste, quality), v.bias("user bias", byUser)), v.constant())
}
