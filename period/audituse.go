package period

import (
	"fmt"
	"math"
)

// UseOption changes what AuditUse asks for.
type UseOption func(*use)

type use struct{ validAfterTrain bool }

// ValidAfterTrain also asks that every training event comes before every validation event. It is not asked for by default, since
// a strategy may choose on samples older than some it trains on; neither is the future of what is tested.
func ValidAfterTrain() UseOption { return func(u *use) { u.validAfterTrain = true } }

// part is the extent of a list of samples: its oldest and newest event, with the samples they belong to.
type part struct {
	name                       string
	oldest, newest             int32
	oldestSample, newestSample int
	size                       int
}

// AuditUse audits what a job really did: train, valid and test are the samples it was trained on, chose its checkpoint or weight on, and
// was tested on. Every event trained on or chosen on must come strictly before every tested event in the total order, and no event may be in
// two of the lists, or twice in a list; otherwise the error is ErrLeak and names the samples. An index that is no sample is ErrInconsistent. Lists may be
// empty and in any order. What the samples' histories show is Audit's part.
func (s *Stream) AuditUse(train, valid, test []int, opts ...UseOption) error {
	return s.AuditRanges(RangesOf(train), RangesOf(valid), RangesOf(test), opts...)
}

// AuditRanges is AuditUse of lists that are written as ranges.
func (s *Stream) AuditRanges(train, valid, test []Range, opts ...UseOption) error {
	var u use
	for _, o := range opts {
		o(&u)
	}
	lists := [3][]Range{train, valid, test}
	if s.apart(lists, u) {
		return nil
	}
	// in holds for each event the list (1, 2 or 3) it is in. Lists are large, so this is no map.
	in := make([]uint8, len(s.Set.Interactions))
	parts := [3]part{{name: "training"}, {name: "validation"}, {name: "test"}}
	for k, list := range lists {
		for _, r := range list {
			for i := r.Lo; i < r.Hi; i++ {
				if err := s.take(parts[:], k, i, in); err != nil {
					return err
				}
			}
		}
	}
	checks := [][2]*part{{&parts[0], &parts[2]}, {&parts[1], &parts[2]}}
	if u.validAfterTrain {
		checks = append(checks, [2]*part{&parts[0], &parts[1]})
	}
	for _, c := range checks {
		early, late := c[0], c[1]
		if early.size > 0 && late.size > 0 && early.newest >= late.oldest {
			return fmt.Errorf("%w: %s sample %d (%s) does not come before %s sample %d (%s)", ErrLeak,
				early.name, early.newestSample, s.describe(early.newest), late.name, late.oldestSample, s.describe(late.oldest))
		}
	}
	return nil
}

// take adds sample i to part k of three.
func (s *Stream) take(parts []part, k, i int, in []uint8) error {
	p := &parts[k]
	if i < 0 || i >= len(s.Samples) {
		return fmt.Errorf("%w: the %s list names sample %d of %d", ErrInconsistent, p.name, i, len(s.Samples))
	}
	e := s.Samples[i].Event
	if e < 0 || int(e) >= len(in) {
		return fmt.Errorf("%w: sample %d names interaction %d of %d", ErrInconsistent, i, e, len(in))
	}
	if at := in[e]; at != 0 {
		if int(at) == k+1 {
			return fmt.Errorf("%w: sample %d (%s) is twice in the %s list", ErrLeak, i, s.describe(e), p.name)
		}
		return fmt.Errorf("%w: sample %d (%s) is in the %s list and in the %s list", ErrLeak, i, s.describe(e), parts[at-1].name, p.name)
	}
	in[e] = uint8(k + 1)
	if p.size == 0 || e < p.oldest {
		p.oldest, p.oldestSample = e, i
	}
	if p.size == 0 || e > p.newest {
		p.newest, p.newestSample = e, i
	}
	p.size++
	return nil
}

// apart says whether the three lists are beyond doubt as they should be: the events of each in the order of time, those of training and validation before all
// of test, and training and validation one behind the other. It looks at every event once and needs no memory. Whatever is otherwise, and may still be
// right, it leaves to a closer look.
func (s *Stream) apart(lists [3][]Range, u use) bool {
	var first, last [3]int32 // the oldest event, and the newest; first > last where there is none
	for k, list := range lists {
		oldest, newest := int32(math.MaxInt32), int32(-1)
		for _, r := range list {
			if r.Lo < 0 || r.Hi > len(s.Samples) || r.Lo > r.Hi {
				return false
			}
			for i := range s.Samples[r.Lo:r.Hi] {
				e := s.Samples[r.Lo+i].Event
				if e <= newest {
					return false
				}
				newest = e
			}
			if r.Lo < r.Hi {
				oldest = min(oldest, s.Samples[r.Lo].Event)
			}
		}
		if int(newest) >= len(s.Set.Interactions) {
			return false
		}
		first[k], last[k] = oldest, newest
	}
	const train, valid, test = 0, 1, 2
	if last[train] >= first[test] || last[valid] >= first[test] || u.validAfterTrain && last[train] >= first[valid] {
		return false
	}
	return last[train] < first[valid] || last[valid] < first[train]
}

func (s *Stream) describe(event int32) string {
	return fmt.Sprintf("interaction %d, %s", event, clock(s.Set.Interactions[event].Time))
}
