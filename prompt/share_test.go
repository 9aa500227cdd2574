package prompt

import "testing"

func TestShareBeginning(t *testing.T) {
	make := func(tokens []int32, steps []int32, target int32) Sequence {
		return Sequence{Tokens: tokens, Steps: steps, Window: 2, Targets: []Target{{Position: target}}}
	}
	for name, c := range map[string]struct {
		seqs []Sequence
		want int
	}{
		"nothing":       {nil, 0},
		"one":           {[]Sequence{make([]int32{1, 2, 3}, []int32{-1, 0, 1}, 2)}, 2},
		"a candidate":   {[]Sequence{make([]int32{1, 2, 3}, []int32{-1, 0, 1}, 2), make([]int32{1, 2, 4, 5}, []int32{-1, 0, 1, 1}, 3)}, 2},
		"a prefix":      {[]Sequence{make([]int32{1, 2}, []int32{-1, 0}, 1), make([]int32{1, 2, 4}, []int32{-1, 0, 1}, 2)}, 1},
		"a target":      {[]Sequence{make([]int32{1, 2, 3}, []int32{-1, 0, 1}, 0), make([]int32{1, 2, 3}, []int32{-1, 0, 1}, 2)}, 0},
		"other steps":   {[]Sequence{make([]int32{1, 2, 3}, []int32{-1, 0, 1}, 2), make([]int32{1, 2, 3}, []int32{-1, 1, 1}, 2)}, 1},
		"no steps":      {[]Sequence{make([]int32{1, 2, 3}, nil, 2), make([]int32{1, 2, 3}, []int32{-1, 0, 1}, 2)}, 0},
		"other windows": {[]Sequence{make([]int32{1, 2, 3}, []int32{-1, 0, 1}, 2), {Window: 3, Tokens: []int32{1, 2, 3}, Steps: []int32{-1, 0, 1}}}, 0},
	} {
		ShareBeginning(c.seqs)
		for i, s := range c.seqs {
			if s.Header != c.want {
				t.Errorf("%s: sequence %d has a header of %d, want %d", name, i, s.Header, c.want)
			}
		}
	}
}
