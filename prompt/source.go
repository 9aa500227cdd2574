package prompt

import (
	"slices"

	"lsat/period"
)

// Source gives the sequences of a list of samples one by one. Those of this package's templates write a sequence when it is asked for, so
// that a long list takes a few bytes a target and not its tokens. A Source is safe for concurrent use.
type Source interface {
	// Len is the number of sequences.
	Len() int
	// Targets is the number of targets of sequence i.
	Targets(i int) int
	// Tokens is the number of tokens of sequence i. It fails as At does.
	Tokens(i int) (int, error)
	// At writes sequence i. It fails as Template.Sequences does.
	At(i int) (Sequence, error)
}

// SourceOf gives what t.Sequences would write, in the same order, and fails for the same samples, though for one that is too long perhaps only
// when its sequence is asked for. A template that cannot write single sequences writes all of them at once.
func SourceOf(t Template, stream *period.Stream, samples []int) (Source, error) {
	if s, ok := t.(interface {
		source(*period.Stream, []int) (Source, error)
	}); ok {
		return s.source(stream, samples)
	}
	seqs, err := t.Sequences(stream, samples)
	return List(seqs), err
}

// Read writes the sequences [lo, hi) of a source.
func Read(s Source, lo, hi int) ([]Sequence, error) {
	out := make([]Sequence, hi-lo)
	for i := range out {
		var err error
		if out[i], err = s.At(lo + i); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// List is a Source of sequences that are written already.
type List []Sequence

// Len implements Source.
func (l List) Len() int { return len(l) }

// Targets implements Source.
func (l List) Targets(i int) int { return len(l[i].Targets) }

// Tokens implements Source.
func (l List) Tokens(i int) (int, error) { return len(l[i].Tokens), nil }

// At implements Source.
func (l List) At(i int) (Sequence, error) { return l[i], nil }

// WithOffsets is a source whose targets have the offsets that offset gives their samples.
func WithOffsets(s Source, offset func(sample int32) float32) Source { return shifted{s, offset} }

type shifted struct {
	Source
	offset func(sample int32) float32
}

// At implements Source.
func (s shifted) At(i int) (Sequence, error) {
	seq, err := s.Source.At(i)
	seq.Targets = slices.Clone(seq.Targets) // they may be another list's, too
	for k := range seq.Targets {
		t := &seq.Targets[k]
		t.Offset = s.offset(t.Sample)
	}
	return seq, err
}
