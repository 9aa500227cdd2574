package recommender

import . "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas

// mf is matrix factorization with biases (Koren et al. 2009): a constant, a bias of the user, a bias of the item, and the product of the two's
// factors. It looks at no history.
type mf struct{}

func (mf) parameters(s sizes) []parameter {
	return []parameter{
		userTable("user", s), itemTable("item", s), biases("user bias", users, s), biases("item bias", items, s), constant,
	}
}

func (mf) score(v *view) *Node {
	taste := ReduceSum(Mul(v.rows("user", byUser), v.rows("item", byTarget)), -1)
	return Add(Add(taste, v.bias("user bias", byUser)), v.base())
}
