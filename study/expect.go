package study

import (
	"fmt"
	"slices"

	"lsat/strategy"
)

// expectBare plans the scoring of a list without an adapter.
func (x *executor) expectBare(list *sampleList) { x.meter.expect(bareName(list), float64(list.size)) }

// expectScores plans the scoring of one step. Lists that several steps score under the same adapter are planned for each and credited
// when they are found done.
func (x *executor) expectScores(s step, seed uint64) {
	valid, test := float64(x.lists.valid(s.combo.Valid).size), float64(x.lists.test(s.test()).size)
	expect := func(part string, work float64) { x.meter.expect(scoreName(seed, s, part), work*x.frozen.cost()) }
	x.expectFrozen(x.lists.valid(s.combo.Valid))
	x.expectFrozen(x.lists.test(s.test()))
	if slices.ContainsFunc(s.combo.Parts, func(j *strategy.Job) bool { return j.OnPrior }) {
		x.expectBare(x.lists.valid(s.combo.Valid))
		x.expectBare(x.lists.test(s.test()))
		for _, p := range s.combo.Past {
			x.expectBare(x.lists.test(p.Test))
		}
	}
	switch s.combo.Kind {
	case strategy.Bare, strategy.Single:
		expect("valid", valid)
		expect("test", test)
	case strategy.Ensemble, strategy.Stack:
		names := s.combo.Names
		if s.combo.Kind == strategy.Ensemble {
			names = []string{"long", "short"}
		}
		for _, which := range names {
			expect("valid/"+which, valid)
			for _, p := range s.combo.Past {
				expect(pastPart(p)+"/"+which, float64(x.lists.test(p.Test).size))
			}
			expect("test/"+which, test)
		}
	default:
		for _, w := range strategy.Weights() {
			expect(fmt.Sprintf("valid/%g", w), valid)
		}
		expect("test", test)
	}
}
