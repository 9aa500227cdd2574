package recommender

import (
	"hash/fnv"
	"math/rand/v2"

	"lsat/period"
)

// sizes are what decides the shapes of a model's parameters and programs.
type sizes struct {
	users, items, words int
	// history is how many items a sample looks back on, bag how many words are taken of an item.
	history, bag, dim int
}

// owner says whose rows a parameter has.
type owner int

const (
	noOne owner = iota // a weight matrix
	users              // a row a user
	items              // a row an item
)

// parameter is a matrix that is learnt.
type parameter struct {
	name       string
	rows, cols int
	of         owner
	// spread is the standard deviation of the initial values; 0 starts at zero.
	spread float64
	// ones starts at one.
	ones bool
}

// embeddingSpread is the standard deviation of an embedding's initial values: small, so that a row that nothing has been learnt for says little.
const embeddingSpread = .01

func userTable(name string, s sizes) parameter {
	return parameter{name: name, rows: s.users, cols: s.dim, of: users, spread: embeddingSpread}
}

func itemTable(name string, s sizes) parameter {
	return parameter{name: name, rows: s.items, cols: s.dim, of: items, spread: embeddingSpread}
}

// biases are one number a user or an item, from 0.
func biases(name string, of owner, s sizes) parameter {
	rows := s.users
	if of == items {
		rows = s.items
	}
	return parameter{name: name, rows: rows, cols: 1, of: of}
}

// initial returns rows from to rows-1 as they are before training. A row depends on the seed, the parameter's name and its own number alone: a
// table that grows gets the rows that it would have had from the start.
func (p parameter) initial(seed uint64, from int) []float32 {
	out := make([]float32, (p.rows-from)*p.cols)
	switch {
	case p.ones:
		for i := range out {
			out[i] = 1
		}
	case p.spread > 0:
		h := fnv.New64a()
		_, _ = h.Write([]byte(p.name)) // a hash takes everything
		stream := h.Sum64()
		for r := from; r < p.rows; r++ {
			rng := rand.New(rand.NewPCG(seed, stream+uint64(r)*0x9E3779B97F4A7C15))
			for c := range p.cols {
				out[(r-from)*p.cols+c] = float32(p.spread * rng.NormFloat64())
			}
		}
	}
	return out
}

// known says which users and items training has met.
type known struct{ users, items []bool }

// grown is a copy with room for more users and items.
func (k known) grown(users, items int) known {
	g := known{make([]bool, users), make([]bool, items)}
	copy(g.users, k.users)
	copy(g.items, k.items)
	return g
}

// meet marks the users and items of samples and of their histories.
func (k known) meet(stream *period.Stream, samples []int) {
	for _, i := range samples {
		k.users[stream.User(i)] = true
		k.items[stream.Item(i)] = true
		for _, e := range stream.History(i) {
			k.items[stream.Set.Interactions[e].Item] = true
		}
	}
}

// forget gives the rows that training has not met their initial values: weight decay moves them, though nothing is known of them.
func (k known) forget(p parameter, seed uint64, values []float32) {
	met := k.users
	switch p.of {
	case noOne:
		return
	case items:
		met = k.items
	}
	fresh := p.initial(seed, 0)
	for r, m := range met {
		if !m {
			copy(values[r*p.cols:(r+1)*p.cols], fresh[r*p.cols:])
		}
	}
}
