package study

import (
	"fmt"
	"sort"

	"lsat/period"
	"lsat/prompt"
)

// source gives a list's samples as sequences, chunk by chunk, and is kept for the newest lists: the adapters of one update score the same two.
// Where lower layers are frozen, their states hang on the sequences of the whole list, which are then written at once.
func (x *executor) source(list *sampleList) (prompt.Source, error) {
	if s, ok := x.sources[list.hash()]; ok {
		return s, nil
	}
	var s prompt.Source
	var err error
	if x.frozen != nil {
		var seqs []prompt.Sequence
		seqs, err = x.in.Template.Sequences(x.in.Stream, list.samples())
		s = prompt.List(seqs)
	} else {
		s, err = prompt.SourceOf(x.in.Template, x.in.Stream, list.samples())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", list.name, err)
	}
	x.sources[list.hash()] = s
	return s, nil
}

// checked is a list's source after a look at all of its sequences.
func (x *executor) checked(list *sampleList) (prompt.Source, error) {
	src, err := x.source(list)
	if err != nil {
		return nil, err
	}
	check := x.newCheck(list)
	for i := range src.Len() {
		seq, err := src.At(i)
		if err == nil {
			err = check.take([]prompt.Sequence{seq})
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", list.name, err)
		}
	}
	return src, check.end()
}

// listCheck sees to it that the targets of sequences are a list's samples, each once, with their own labels: the audit was about the list.
type listCheck struct {
	list     *sampleList
	template string
	samples  []int
	seen     []bool
	left     int
}

func (x *executor) newCheck(list *sampleList) *listCheck {
	return &listCheck{list: list, template: x.in.Template.Name(), samples: list.samples(), seen: make([]bool, list.size), left: list.size}
}

// place is where a sample stands in the list, which has it.
func (c *listCheck) place(sample int32) int { return sort.SearchInts(c.samples, int(sample)) }

// take looks at some of the list's sequences.
func (c *listCheck) take(seqs []prompt.Sequence) error {
	for i := range seqs {
		for _, t := range seqs[i].Targets {
			at := c.place(t.Sample)
			if at == len(c.samples) || c.samples[at] != int(t.Sample) || c.seen[at] {
				return fmt.Errorf("%w: the %s template made sample %d a target of %s, which does not have it, or has it once", period.ErrLeak, c.template, t.Sample, c.list.name)
			}
			if t.Label != c.list.stream.Samples[t.Sample].Label {
				return fmt.Errorf("%w: the %s template gave sample %d of %s another label", period.ErrInconsistent, c.template, t.Sample, c.list.name)
			}
			c.seen[at] = true
			c.left--
		}
	}
	return nil
}

// end says whether the whole list was seen.
func (c *listCheck) end() error {
	if c.left > 0 {
		return fmt.Errorf("%w: the %s template left %d samples of %s out", period.ErrInconsistent, c.template, c.left, c.list.name)
	}
	return nil
}
