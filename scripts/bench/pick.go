package main

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"lsat/backbone"
	"lsat/prompt"
)

// chunk is how many samples of about the same length are picked together: a batch at its best has no padding.
const chunk = 16

// pickSamples takes n samples, rounded up to chunks, for a round: chunks from evenly spaced places of the order by length, other places in every
// round. All that is picked is picked for every contestant of the round.
func pickSamples(seqs []prompt.Sequence, round, n int) []int {
	if len(seqs) == 0 {
		return nil
	}
	order := sorted(seqs, func(a, b prompt.Sequence) int { return cmp.Compare(len(a.Tokens), len(b.Tokens)) })
	size := min(chunk, len(order))
	chunks := len(order) / size
	want := min(chunks, (n+size-1)/size)
	start := startOf(round)
	var out []int
	for k := range want {
		at := int((start+float64(k))*float64(chunks)/float64(want)) % chunks
		out = append(out, order[at*size:(at+1)*size]...)
	}
	return out
}

// pickNeighbours takes n samples for a round that are next to each other in the order of their tokens, another stretch in every round: a slice of a job over all
// of them by a program that computes once what prompts begin with.
func pickNeighbours(seqs []prompt.Sequence, round, n int) []int {
	order := byTokens(seqs)
	n = min(n, len(order))
	start := startOf(round)
	at := int(start * float64(len(order)))
	return append(order[at:min(at+n, len(order)):len(order)], order[:max(0, at+n-len(order))]...)
}

// byTokens is the order of sequences by their tokens, as words are ordered in a dictionary.
func byTokens(seqs []prompt.Sequence) []int {
	return sorted(seqs, func(a, b prompt.Sequence) int { return slices.Compare(a.Tokens, b.Tokens) })
}

// sorted are the indices of sequences in an order; those that it does not tell apart stay as they are.
func sorted(seqs []prompt.Sequence, compare func(a, b prompt.Sequence) int) []int {
	order := make([]int, len(seqs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return compare(seqs[a], seqs[b]) })
	return order
}

// startOf is where in the pool a round's pick begins, from 0 to 1: rounds follow each other at the golden ratio, so that few or many are spread evenly.
func startOf(round int) float64 {
	_, start := math.Modf(float64(round) * (math.Sqrt(5) - 1) / 2)
	return start
}

// pickTokens takes sequences in an order drawn once, other ones in every round, until they have the given number of tokens.
func pickTokens(seqs []prompt.Sequence, round, tokens int) []int {
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(seqs))
	total := 0
	for i := range seqs {
		total += len(seqs[i].Tokens)
	}
	at := 0 // where the round's share begins, in tokens, going round
	if total > 0 {
		at = round * tokens % total
	}
	k := 0
	for at > 0 && k < len(order) {
		at -= len(seqs[order[k]].Tokens)
		k++
	}
	var out []int
	for n := 0; n < tokens && len(out) < len(order); k++ {
		i := order[k%len(order)]
		if n += len(seqs[i].Tokens); n > tokens && len(out) > 0 {
			break
		}
		out = append(out, i)
	}
	return out
}

// size is what a pick amounts to.
type size struct {
	Targets int     `json:"targets"`
	Tokens  int     `json:"tokens"`
	GFLOP   float64 `json:"gflop"` // of one forward pass, matrix products of frozen weights and of causal attention only
}

// sizeOf is the size of a pick. With once, what neighbours in the order of tokens begin with is computed once.
func sizeOf(c backbone.Config, seqs []prompt.Sequence, picked []int, once bool) size {
	linear := c.Hidden*(c.Heads+2*c.KVHeads)*c.HeadDim + c.Heads*c.HeadDim*c.Hidden + 3*c.Hidden*c.FFN
	var s size
	some := make([]prompt.Sequence, len(picked))
	for k, i := range picked {
		some[k] = seqs[i]
	}
	var before []int32
	for _, k := range byTokens(some) {
		tokens := some[k].Tokens
		s.Targets += len(some[k].Targets)
		s.Tokens += len(tokens)
		shared := 0
		if once {
			shared, before = prompt.Common(before, tokens), tokens
		}
		pairs := func(n int) float64 { return float64(n) * float64(n+1) / 2 } // of a token and one that it sees
		s.GFLOP += 2 * float64(c.Layers) * (float64(linear)*float64(len(tokens)-shared) + 2*float64(c.Heads*c.HeadDim)*(pairs(len(tokens))-pairs(shared))) / 1e9
	}
	return s
}
