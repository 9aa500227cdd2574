package study

import (
	"slices"

	"lsat/strategy"
)

// expectBare plans the scoring of a list without an adapter.
func (x *executor) expectBare(list *sampleList) { x.meter.expect(bareName(list), float64(list.size)) }

// expectScores plans the scoring of one step. What several steps score alike, the periods that are over above all, is planned once.
func (x *executor) expectScores(s step, seed uint64) {
	valid, test := x.lists.valid(s.combo.Valid), x.lists.test(s.test())
	expect := func(adapter string, list *sampleList) {
		x.meter.expect(scoreName(seed, adapter, list), float64(list.size)*x.frozen.cost())
	}
	x.expectFrozen(valid)
	x.expectFrozen(test)
	if slices.ContainsFunc(s.combo.Parts, func(j *strategy.Job) bool { return j.OnPrior }) {
		x.expectBare(valid)
		x.expectBare(test)
		for _, p := range s.combo.Past {
			x.expectBare(x.lists.test(p.Test))
		}
	}
	switch s.combo.Kind {
	case strategy.Bare:
		x.expectBare(valid)
		x.expectBare(test)
	case strategy.Single, strategy.Ensemble, strategy.Stack:
		for k, j := range s.combo.Parts {
			expect(j.ID(), valid)
			for _, p := range s.combo.Past {
				expect(p.Parts[k].ID(), x.lists.test(p.Test))
			}
			expect(j.ID(), test)
		}
	default:
		long, short := s.combo.Parts[0].ID(), s.combo.Parts[1].ID()
		for _, w := range strategy.Weights() {
			switch w { // as fuse has it
			case 1:
				expect(long, valid)
			case 0:
				expect(short, valid)
			default:
				expect(fusedName(s.combo.Kind, weightText(w), long, short), valid)
			}
		}
		expect(fusedName(s.combo.Kind, chosen, long, short), test)
	}
}
