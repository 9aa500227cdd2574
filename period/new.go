package period

import (
	"fmt"
	"math"
	"slices"

	"lsat/dataset"
)

// New turns a set into samples and cuts them into periods. It refuses a set that is not in time order (ErrInconsistent), options
// that make no sense (ErrOptions), no samples at all (ErrNoSamples), and a period without samples (ErrEmptyPeriod). Whether every part has
// both classes is another question: see Check.
func New(set *dataset.Set, opts Options) (*Stream, error) {
	o, err := opts.WithDefaults()
	if err != nil {
		return nil, err
	}
	if set == nil || len(set.Interactions) == 0 {
		return nil, fmt.Errorf("%w: the set has no interactions", ErrNoSamples)
	}
	if len(set.Interactions) > math.MaxInt32 {
		return nil, fmt.Errorf("%w: %d interactions are more than %d", ErrOptions, len(set.Interactions), math.MaxInt32)
	}
	highest, err := checkSet(set)
	if err != nil {
		return nil, err
	}
	if o.Threshold == 0 {
		o.Threshold = liked(highest)
	}
	s := &Stream{Set: set, Options: o}
	s.index()
	s.sample()
	if len(s.Samples) == 0 {
		return nil, fmt.Errorf("%w: of %d interactions of %d users in %s none has %d earlier ones of its user%s",
			ErrNoSamples, len(set.Interactions), len(set.Users), set.Name, o.MinHistory, window(o))
	}
	if err := s.cut(); err != nil {
		return nil, err
	}
	return s, nil
}

func window(o Options) string {
	text := ""
	if o.From != 0 {
		text += ", from " + clock(o.From)
	}
	if o.To != 0 {
		text += ", before " + clock(o.To)
	}
	return text
}

// checkSet refuses a set that is out of order or refers to users and items that it does not have, and returns its highest rating.
func checkSet(set *dataset.Set) (highest float32, err error) {
	for i := range set.Interactions {
		e := &set.Interactions[i]
		if e.User < 0 || int(e.User) >= len(set.Users) || e.Item < 0 || int(e.Item) >= len(set.Items) {
			return 0, fmt.Errorf("%w: interaction %d of %s has user %d of %d and item %d of %d", ErrInconsistent, i, set.Name, e.User, len(set.Users), e.Item, len(set.Items))
		}
		if i > 0 && e.Time < set.Interactions[i-1].Time {
			return 0, fmt.Errorf("%w: interaction %d of %s (%s) is earlier than the one before it (%s)", ErrInconsistent, i, set.Name, clock(e.Time), clock(set.Interactions[i-1].Time))
		}
		if e.Rating > highest {
			highest = e.Rating
		}
	}
	return highest, nil
}

// index sorts the interactions by user, keeping their order: a counting sort.
func (s *Stream) index() {
	events := s.Set.Interactions
	s.first = make([]int32, len(s.Set.Users)+1)
	for i := range events {
		s.first[events[i].User+1]++
	}
	for u := 1; u < len(s.first); u++ {
		s.first[u] += s.first[u-1]
	}
	s.byUser = make([]int32, len(events))
	next := slices.Clone(s.first)
	for i := range events {
		u := events[i].User
		s.byUser[next[u]] = int32(i)
		next[u]++
	}
}

// sample makes a sample of every interaction with enough history, within the time window, the newest ones only.
func (s *Stream) sample() {
	total := s.eachSample(func(int, Sample) {})
	skip := 0
	if n := s.Options.Newest; n > 0 && n < total {
		skip = total - n
	}
	s.Samples = make([]Sample, 0, total-skip)
	s.eachSample(func(k int, sm Sample) {
		if k >= skip {
			s.Samples = append(s.Samples, sm)
		}
	})
}

func (s *Stream) eachSample(visit func(k int, sm Sample)) (total int) {
	o, events := s.Options, s.Set.Interactions
	place := make([]int32, len(s.Set.Users))
	// older counts a user's events before the second of the last one: the history that StrictTime allows.
	var older []int32
	if o.StrictTime {
		older = make([]int32, len(s.Set.Users))
	}
	for i := range events {
		e := &events[i]
		p := place[e.User]
		place[e.User]++
		enough := p
		if o.StrictTime {
			if p > 0 && events[s.byUser[s.first[e.User]+p-1]].Time < e.Time {
				older[e.User] = p
			}
			enough = older[e.User]
		}
		if int(enough) < o.MinHistory || (o.From != 0 && e.Time < o.From) || (o.To != 0 && e.Time >= o.To) {
			continue
		}
		visit(total, Sample{Event: int32(i), Place: p, Label: e.Rating >= o.Threshold})
		total++
	}
	return total
}

// cut makes the periods.
func (s *Stream) cut() error {
	starts, err := s.starts()
	if err != nil {
		return err
	}
	s.Periods = make([]Period, len(starts)-1)
	for t := range s.Periods {
		lo, hi := starts[t], starts[t+1]
		valid := int(math.Round(s.Options.ValidFraction * float64(hi-lo)))
		s.Periods[t] = Period{
			All: Range{lo, hi}, Train: Range{lo, hi - valid}, Valid: Range{hi - valid, hi},
			Start: s.time(lo), End: s.time(hi - 1),
		}
	}
	return nil
}

// starts returns the first sample of each period, and the number of samples.
func (s *Stream) starts() ([]int, error) {
	o, n := s.Options, len(s.Samples)
	starts := make([]int, o.Count+1)
	if !o.EqualTime && len(o.Boundaries) == 0 {
		if n < o.Count {
			return nil, fmt.Errorf("%w: %d samples do not fill %d periods", ErrEmptyPeriod, n, o.Count)
		}
		for t := range starts {
			starts[t] = int(int64(t) * int64(n) / int64(o.Count))
		}
		return starts, nil
	}
	begins, end := o.Boundaries, s.time(n-1)+1
	from := s.time(0)
	if o.From != 0 {
		from = o.From
	}
	if o.To != 0 {
		end = o.To
	}
	if o.EqualTime {
		begins = make([]int64, o.Count-1)
		whole, rest := (end-from)/int64(o.Count), (end-from)%int64(o.Count)
		for t := range begins {
			begins[t] = from + whole*int64(t+1) + rest*int64(t+1)/int64(o.Count)
		}
	}
	starts[o.Count] = n
	for t, begin := range begins {
		starts[t+1], _ = slices.BinarySearchFunc(s.Samples, begin, func(sm Sample, begin int64) int {
			if s.Set.Interactions[sm.Event].Time < begin {
				return -1
			}
			return 1
		})
	}
	for t := range o.Count {
		if starts[t] == starts[t+1] {
			lo, hi := from, end
			if t > 0 {
				lo = begins[t-1]
			}
			if t < len(begins) {
				hi = begins[t]
			}
			return nil, fmt.Errorf("%w: period %d, from %s to %s, has no sample (the %d samples reach from %s to %s): use fewer or other boundaries",
				ErrEmptyPeriod, t, clock(lo), clock(hi), n, clock(s.time(0)), clock(s.time(n-1)))
		}
	}
	return starts, nil
}

// time is the time of sample i in Unix seconds.
func (s *Stream) time(i int) int64 { return s.Set.Interactions[s.Samples[i].Event].Time }

// Check looks at every period with CheckPeriod and returns the first complaint.
func (s *Stream) Check() error {
	for t := range s.Periods {
		if err := s.CheckPeriod(t); err != nil {
			return err
		}
	}
	return nil
}

// CheckPeriod says whether period t can be trained, validated and tested on: ErrEmptyPeriod for a part without samples, ErrOneClass for a
// validation part or a whole period in which every sample has the same label. Without validation (ValidFraction < 0) that part is not asked for.
func (s *Stream) CheckPeriod(t int) error {
	if t < 0 || t >= len(s.Periods) {
		return fmt.Errorf("%w: there is no period %d among %d", ErrOptions, t, len(s.Periods))
	}
	p := s.Periods[t]
	if p.Train.Len() == 0 {
		return fmt.Errorf("%w: period %d (%d samples) has nothing to train on", ErrEmptyPeriod, t, p.All.Len())
	}
	parts := []struct {
		name string
		r    Range
	}{{"the whole", p.All}}
	if s.Options.ValidFraction > 0 {
		if p.Valid.Len() == 0 {
			return fmt.Errorf("%w: period %d has %d samples: a share of %v of them is no validation part", ErrEmptyPeriod, t, p.All.Len(), s.Options.ValidFraction)
		}
		parts = append(parts, struct {
			name string
			r    Range
		}{"the validation part", p.Valid})
	}
	for _, part := range parts {
		liked := s.CountLiked(part.r)
		if liked == 0 || liked == part.r.Len() {
			return fmt.Errorf("%w: %s of period %d (%s to %s) has %d liked of %d samples; larger periods, or another threshold than %v, are needed",
				ErrOneClass, part.name, t, clock(p.Start), clock(p.End), liked, part.r.Len(), s.Options.Threshold)
		}
	}
	return nil
}

// CountLiked counts the samples of a range whose label is true.
func (s *Stream) CountLiked(r Range) int {
	n := 0
	for _, sm := range s.Samples[r.Lo:r.Hi] {
		if sm.Label {
			n++
		}
	}
	return n
}
