package train

import (
	"math/rand/v2"

	"lsat/prompt"
)

// plan is the order in which a job meets its sequences. It follows from the sequences, the hyper-parameters and the seed alone,
// so that a resumed job meets them in the same order.
type plan struct {
	train   []prompt.Sequence
	steps   int
	targets int
	starts  []step
}

// step is one optimizer step: sequences order[from:to] of an epoch.
type step struct {
	order    []int
	from, to int
	targets  int
	seen     int // targets up to and including this step
	last     bool
}

// batch is what a step trains on.
type batch struct {
	sequences []prompt.Sequence
	targets   int
}

func newPlan(train []prompt.Sequence, h Hyper, seed uint64) plan {
	p := plan{train: train}
	var full []int
	for i := range train {
		if len(train[i].Targets) > 0 {
			full = append(full, i)
		}
	}
	for epoch := range h.Epochs {
		order := append([]int(nil), full...)
		rng := rand.New(rand.NewPCG(seed, mix(seed, uint64(epoch))))
		rng.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
		from, n := 0, 0
		for k, i := range order {
			n += len(train[i].Targets)
			end := k == len(order)-1
			// A sequence is the smallest unit, so a step takes the batch's size or as little more as there is.
			if n >= h.Batch || end {
				p.targets += n
				p.starts = append(p.starts, step{order, from, k + 1, n, p.targets, end})
				from, n = k+1, 0
			}
		}
	}
	p.steps = len(p.starts)
	return p
}

func (p plan) batch(i int) batch {
	s := p.starts[i]
	b := batch{targets: s.targets}
	for _, k := range s.order[s.from:s.to] {
		b.sequences = append(b.sequences, p.train[k])
	}
	return b
}

// seen is the number of targets trained on after n steps.
func (p plan) seen(n int) int { return p.starts[n-1].seen }

// endsEpoch says whether step n, counted from 1, is the last of its epoch.
func (p plan) endsEpoch(n int) bool { return p.starts[n-1].last }

// mix derives an independent seed: the finalizer of SplitMix64.
func mix(seed, n uint64) uint64 {
	z := seed + (n+1)*0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}
