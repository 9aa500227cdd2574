package main

import (
	"math"
	"math/rand/v2"
	"sort"

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
	order := make([]int, len(seqs))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return len(seqs[order[a]].Tokens) < len(seqs[order[b]].Tokens) })
	size := min(chunk, len(order))
	chunks := len(order) / size
	want := min(chunks, (n+size-1)/size)
	_, start := math.Modf(float64(round) * (math.Sqrt(5) - 1) / 2)
	var out []int
	for k := range want {
		at := int((start+float64(k))*float64(chunks)/float64(want)) % chunks
		out = append(out, order[at*size:(at+1)*size]...)
	}
	return out
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

func sizeOf(c backbone.Config, seqs []prompt.Sequence, picked []int) size {
	linear := c.Hidden*(c.Heads+2*c.KVHeads)*c.HeadDim + c.Heads*c.HeadDim*c.Hidden + 3*c.Hidden*c.FFN
	var s size
	for _, i := range picked {
		n := len(seqs[i].Tokens)
		s.Targets += len(seqs[i].Targets)
		s.Tokens += n
		pairs := float64(n) * float64(n+1) / 2 // of a token and one that it sees
		s.GFLOP += 2 * float64(c.Layers) * (float64(linear)*float64(n) + 2*float64(c.Heads*c.HeadDim)*pairs) / 1e9
	}
	return s
}
