package period

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Errors that callers branch on; they come wrapped with the period and what to do.
var (
	// ErrOptions means that the options contradict themselves or the data's shape.
	ErrOptions = errors.New("period options")
	// ErrNoSamples means that no interaction has the history, or the time, that a sample needs.
	ErrNoSamples = errors.New("no samples")
	// ErrEmptyPeriod means that a period, or a part of it that must not be empty, has no sample.
	ErrEmptyPeriod = errors.New("empty period")
	// ErrOneClass means that all samples of a part are liked, or none is: an AUC over them does not exist.
	ErrOneClass = errors.New("one class only")
	// ErrLeak means that something was visible before its time.
	ErrLeak = errors.New("leak")
	// ErrInconsistent means that a stream does not follow from its set and options, although nothing need have leaked.
	ErrInconsistent = errors.New("inconsistent stream")
)

// Options say how interactions become samples and periods. The zero value of a field means its default.
type Options struct {
	// Threshold is the smallest rating that counts as liked, on the set's own scale. Default: four fifths of the scale, 4 where no rating is above 5, 8
	// where none is above 10, 80 where none is above 100.
	Threshold float32
	// History is how many previous interactions of the user a sample looks at. Default 10.
	History int
	// MinHistory is how many previous interactions a sample needs to exist at all. Default History; a negative number means none.
	MinHistory int
	// StrictTime leaves the events of the very second of the predicted one out of its history, although they come earlier in the
	// order of the file. The default, false, is the published protocol. Such events are counted by the audit in either case.
	StrictTime bool
	// From and To keep the samples with From <= time < To (Unix seconds); their histories may be older. 0 is open.
	From, To int64
	// Newest keeps only the newest N samples. 0 keeps all.
	Newest int
	// Count is the number of periods: of equally many samples each, or of equal time with EqualTime. Default 20.
	Count int
	// EqualTime cuts periods of equal length between From and To, or between the first and the last sample where those are open.
	EqualTime bool
	// Boundaries, if given, are the start times (Unix seconds) of every period after the first, ascending, and replace Count.
	Boundaries []int64
	// ValidFraction is the share of each period's samples, its newest, that validates. Default 0.1; a negative number means none.
	ValidFraction float64
}

// WithDefaults fills in the defaults, but for the threshold, which depends on the set, and says what is wrong with the rest.
func (o Options) WithDefaults() (Options, error) {
	if o.History == 0 {
		o.History = 10
	}
	if o.MinHistory == 0 {
		o.MinHistory = o.History
	}
	o.MinHistory = max(0, o.MinHistory)
	if o.Count == 0 {
		o.Count = 20
	}
	if o.ValidFraction == 0 {
		o.ValidFraction = 0.1
	}
	o.ValidFraction = max(0, o.ValidFraction)
	o.Boundaries = slices.Clone(o.Boundaries)
	if len(o.Boundaries) > 0 {
		o.Count = len(o.Boundaries) + 1
	}
	switch {
	case math.IsNaN(float64(o.Threshold)) || math.IsInf(float64(o.Threshold), 0):
		return o, fmt.Errorf("%w: threshold %v is not a number", ErrOptions, o.Threshold)
	case o.History < 0:
		return o, fmt.Errorf("%w: history %d is negative", ErrOptions, o.History)
	case o.Newest < 0:
		return o, fmt.Errorf("%w: newest %d is negative", ErrOptions, o.Newest)
	case o.Count < 0 || o.Count > 1<<20:
		return o, fmt.Errorf("%w: %d periods", ErrOptions, o.Count)
	case math.IsNaN(o.ValidFraction) || o.ValidFraction >= 1:
		return o, fmt.Errorf("%w: validation fraction %v leaves nothing to train on", ErrOptions, o.ValidFraction)
	case o.From != 0 && o.To != 0 && o.From >= o.To:
		return o, fmt.Errorf("%w: from %s is not before to %s", ErrOptions, clock(o.From), clock(o.To))
	case len(o.Boundaries) > 0 && o.EqualTime:
		return o, fmt.Errorf("%w: boundaries and equal time exclude each other", ErrOptions)
	}
	for i := 1; i < len(o.Boundaries); i++ {
		if o.Boundaries[i] <= o.Boundaries[i-1] {
			return o, fmt.Errorf("%w: boundary %d (%s) is not after boundary %d (%s)", ErrOptions, i+1, clock(o.Boundaries[i]), i, clock(o.Boundaries[i-1]))
		}
	}
	return o, nil
}

// liked is the default threshold of a set whose highest rating this is.
func liked(highest float32) float32 {
	for _, scale := range []float32{5, 10, 100} {
		if highest <= scale {
			return scale * 4 / 5
		}
	}
	return highest * 4 / 5
}

// clock writes a time in messages.
func clock(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02 15:04:05") }
