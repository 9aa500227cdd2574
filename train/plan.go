package train

import (
	"math"
	"math/rand/v2"
	"slices"

	"lsat/engine"
	"lsat/prompt"
)

// plan is the order in which a job meets its sequences. It follows from their lengths, the hyper-parameters and the seed alone,
// so that a resumed job meets them in the same order.
type plan struct {
	train   prompt.Source
	tokens  []int // of each sequence
	steps   int
	targets int
	starts  []step
}

// step is one optimizer step: sequences order[from:to] of an epoch.
type step struct {
	order    []int32
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

// packer is what an engine offers that runs full rows: see engine.Engine.Rows.
type packer interface {
	Rows(tokens []int) [][]int
}

// gatherer is what an engine offers that computes once what sequences begin with: see engine.Engine.Families.
type gatherer interface {
	Families(seqs []prompt.Sequence) [][]int
}

// gatheredAtOnce is how many sequences are written at once to find those that begin alike: a list in the order of time has a user's near each other.
const gatheredAtOnce = 8192

func newPlan(runner engine.Runner, train prompt.Source, h Hyper, seed uint64) (plan, error) {
	p := plan{train: train}
	if train == nil {
		return p, nil
	}
	p.tokens = make([]int, train.Len())
	var full []int32
	for i := range p.tokens {
		if train.Targets(i) == 0 {
			continue
		}
		n, err := train.Tokens(i)
		if err != nil {
			return p, err
		}
		p.tokens[i] = n
		full = append(full, int32(i))
	}
	families, err := p.families(runner, full, h.Order)
	if err != nil {
		return p, err
	}
	for epoch := range h.Epochs {
		rng := rand.New(rand.NewPCG(seed, mix(seed, uint64(epoch))))
		if families != nil {
			shuffled := slices.Clone(families)
			rng.Shuffle(len(shuffled), func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
			p.bySequences(slices.Concat(shuffled...), h.Batch)
			continue
		}
		order := slices.Clone(full)
		rng.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
		if pk, ok := runner.(packer); ok {
			p.byRows(pk, order, h.Batch)
		} else {
			p.bySequences(order, h.Batch)
		}
	}
	p.steps = len(p.starts)
	return p, nil
}

// families groups the sequences that begin alike, where the order asks for it and the engine tells; nil otherwise.
func (p *plan) families(runner engine.Runner, full []int32, order string) ([][]int32, error) {
	g, ok := runner.(gatherer)
	if !ok || order != OrderPrefix {
		return nil, nil
	}
	out := [][]int32{}
	for lo := 0; lo < len(full); lo += gatheredAtOnce {
		part := full[lo:min(lo+gatheredAtOnce, len(full))]
		seqs := make([]prompt.Sequence, len(part))
		for k, i := range part {
			var err error
			if seqs[k], err = p.train.At(int(i)); err != nil {
				return nil, err
			}
		}
		for _, family := range g.Families(seqs) {
			members := make([]int32, len(family))
			for n, k := range family {
				members[n] = part[k]
			}
			out = append(out, members)
		}
	}
	return out, nil
}

// bySequences makes steps of the batch's size or as little more as there is: a sequence is the smallest unit.
func (p *plan) bySequences(order []int32, size int) {
	from, n := 0, 0
	for k, i := range order {
		n += p.train.Targets(int(i))
		if end := k == len(order)-1; n >= size || end {
			p.add(order, from, k+1, n, end)
			from, n = k+1, 0
		}
	}
}

// byRows makes steps of as many whole rows as come closest to the batch's size.
func (p *plan) byRows(pk packer, order []int32, size int) {
	if len(order) == 0 {
		return
	}
	tokens := make([]int, len(order))
	targets := 0
	for k, i := range order {
		tokens[k] = p.tokens[i]
		targets += p.train.Targets(int(i))
	}
	rows := pk.Rows(tokens)
	perStep := max(1, int(math.Round(float64(size)*float64(len(rows))/float64(targets))))
	packed := make([]int32, 0, len(order))
	for at := 0; at < len(rows); at += perStep {
		from, n := len(packed), 0
		for _, row := range rows[at:min(at+perStep, len(rows))] {
			for _, k := range row {
				packed = append(packed, order[k])
				n += p.train.Targets(int(order[k]))
			}
		}
		p.add(packed, from, len(packed), n, at+perStep >= len(rows))
	}
}

func (p *plan) add(order []int32, from, to, targets int, last bool) {
	p.targets += targets
	p.starts = append(p.starts, step{order, from, to, targets, p.targets, last})
}

// batch writes the sequences of a step.
func (p plan) batch(i int) (batch, error) {
	s := p.starts[i]
	b := batch{targets: s.targets}
	for _, k := range s.order[s.from:s.to] {
		seq, err := p.train.At(int(k))
		if err != nil {
			return b, err
		}
		b.sequences = append(b.sequences, seq)
	}
	return b, nil
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
