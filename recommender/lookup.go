package recommender

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:revive,staticcheck // graph code reads as formulas
)

// index says by what a table is looked up.
type index int

const (
	byUser    index = iota // the sample's user, [batch]
	byTarget               // the sample's item, [batch]
	byHistory              // the history's items, [batch, history]
	byWord                 // the target's words, [batch, bag]
)

// rows looks up rows of a table: indices [...] give [..., cols].
func (v *view) rows(table string, by index) *Node {
	return Gather(v.param[table], InsertAxes([]*Node{v.user, v.item, v.history, v.words}[by], -1))
}

// bias looks up one number for each index.
func (v *view) bias(table string, by index) *Node { return Squeeze(v.rows(table, by), -1) }
