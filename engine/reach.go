package engine

import (
	"slices"

	"lsat/backbone"
	"lsat/prompt"
)

// reach says how far back the tokens of some sequences look.
type reach struct {
	// header is how many first tokens all the sequences share.
	header int
	// back is the longest way, in tokens, from a token to one that it may look at, the header's left out.
	back int
	// windows says that a token of some sequence does not see all that stands before it there.
	windows bool
}

const (
	// bandBlock is the length of attention's blocks. Shorter ones waste fewer comparisons and make smaller products. Of 32, 64 and 128, which
	// streams cannot tell apart, 32 trains TALLRec prompts fastest, by a tenth (docs/PERFORMANCE.md).
	bandBlock = 32
	// headerGrain rounds the shared header's keys up, for the products' sake.
	headerGrain = backbone.UnitTokens
	// unitGrain rounds the number of listed units up in programs that only score. They compile in a third of the time that training's take.
	unitGrain = 4
)

// reachOf measures sequences.
func reachOf(seqs []prompt.Sequence) reach {
	var r reach
	if len(seqs) == 0 {
		return r
	}
	first := &seqs[0]
	r.header = first.Header
	for i := range seqs {
		if s := &seqs[i]; s.Header != r.header || !slices.Equal(s.Tokens[:r.header], first.Tokens[:r.header]) || asksIn(s, r.header) {
			r.header = 0
			break
		}
	}
	for i := range seqs {
		r.back = max(r.back, backOf(&seqs[i], r.header))
		r.windows = r.windows || windowed(&seqs[i])
	}
	return r
}

// windowed says that the sequence's tokens see only a window of what stands before them.
func windowed(s *prompt.Sequence) bool { return s.Window > 0 && s.Steps != nil }

// asksIn says whether the sequence has a target among its first n tokens.
func asksIn(s *prompt.Sequence, n int) bool {
	return len(s.Targets) > 0 && int(s.Targets[0].Position) < n
}

// backOf is how far the tokens of one sequence look back behind its header.
func backOf(s *prompt.Sequence, header int) int {
	body := len(s.Tokens) - header
	if !windowed(s) {
		return body
	}
	steps := s.Steps[header:]
	if !slices.IsSorted(steps) || (len(steps) > 0 && steps[0] < 0) {
		return body
	}
	worst, lo := 0, 0
	for k, step := range steps {
		for steps[lo] < step-s.Window {
			lo++
		}
		worst = max(worst, k-lo)
	}
	return worst
}

// bands are the values of a band's Back, few ones, since every one is a program of its own; what reaches further has its own.
var bands = []int{1, 2, 3, 4, 6, 8}

// listLengths are the lengths of lists in training, as few as bands; a longer list has the next multiple of the last one.
var listLengths = []int{4, 8, 16, 28, 40, 56, 80, 112, 160, 224}

// listPlaces is the number of places for a list of n units.
func listPlaces(n int, fine bool) int {
	if n = max(1, n); fine {
		return roundUp(n, unitGrain)
	}
	if i, _ := slices.BinarySearch(listLengths, n); i < len(listLengths) {
		return listLengths[i]
	}
	return roundUp(n, listLengths[len(listLengths)-1])
}

// roundUp is the next multiple of grain.
func roundUp(n, grain int) int { return (n + grain - 1) / grain * grain }

// blocks is the band that the sequences want.
func (r reach) blocks() backbone.Band {
	b := backbone.Band{Block: bandBlock, Back: (r.back + bandBlock - 1) / bandBlock, Header: roundUp(r.header, headerGrain)}
	if i, _ := slices.BinarySearch(bands, b.Back); i < len(bands) {
		b.Back = bands[i]
	}
	return b
}

// narrow says whether attention by blocks compares less than whole rows would.
func (r reach) narrow(rowTokens int) bool {
	return r.back > 0 && r.blocks().Keys() <= max(rowTokens, 512)
}

// band is how attention goes over a row of that length.
func (r reach) band(time int) backbone.Band {
	b := r.blocks()
	if r.back == 0 || time%bandBlock != 0 || b.Back >= time/bandBlock || b.Keys() >= time {
		return backbone.Band{}
	}
	return b
}
