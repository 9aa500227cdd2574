package period

import "context"

// prove goes once through the interactions, keeping for each user no more than a place and a time, and says whether every history is beyond doubt the one that
// is due: it holds the index by user to the interactions entry by entry, and each sample's history to the entries that were held so. If all is well it
// counts what a Report counts. Where anything is otherwise it says false and counts nothing, and histories has to find out what is wrong.
func (a *auditor) prove(ctx context.Context) (bool, error) {
	s, o := a.s, a.s.Options
	events, samples := s.Set.Interactions, s.Samples
	if len(s.first) == 0 || s.first[0] != 0 || int(s.first[len(s.first)-1]) != len(s.byUser) || len(s.byUser) != len(events) {
		return false, nil
	}
	// known is what is known of a user before the event at hand: how many events there were, how many before the second of the last one, and that.
	type known struct {
		seen, older int32
		second      int64
	}
	users := make([]known, len(s.first)-1)
	var historyEvents, sameSecond, sameSecondSamples int
	for i := range events {
		if i%65536 == 0 && ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		e := &events[i]
		u := &users[e.User]
		first := s.first[e.User]
		if at := int(first) + int(u.seen); at >= int(s.first[e.User+1]) || s.byUser[at] != int32(i) {
			return false, nil
		}
		if e.Time != u.second {
			u.older, u.second = u.seen, e.Time
		}
		if len(samples) > 0 && int(samples[0].Event) == i {
			due := u.seen
			if o.StrictTime {
				due = u.older
			}
			length := min(int(due), o.History)
			k := len(s.Samples) - len(samples)
			history := s.History(k)
			if samples[0].Place != u.seen || samples[0].Label != (e.Rating >= o.Threshold) || int(due) < o.MinHistory || len(history) != length ||
				length > 0 && &history[0] != &s.byUser[int(first)+int(due)-length] {
				return false, nil
			}
			historyEvents += length
			if same := min(int(due-u.older), length); same > 0 {
				sameSecond += same
				sameSecondSamples++
			}
			samples = samples[1:]
		}
		u.seen++
	}
	if len(samples) > 0 { // out of order, or twice
		return false, nil
	}
	a.r.HistoryEvents, a.r.SameSecond, a.r.SameSecondSamples = historyEvents, sameSecond, sameSecondSamples
	return true, nil
}
