package baseline

import (
	"math"

	"lsat/period"
)

// featureNames name the features of Counts in the order in which they stand; Counts defines them.
var featureNames = [...]string{
	"item", "item squared", "recent", "recent ratings", "cold genres", "cold era",
	"taste", "activity", "activity user", "pause", "standard",
}

// memoryNames name the further features of Counts with a memory.
var memoryNames = [...]string{"remembered taste", "remembered user", "remembered"}

// features computes samples' features. It reads the tally and keeps room to work in, so every goroutine needs its own.
type features struct {
	stream  *period.Stream
	tally   *tally
	taste   *taste
	history []rated
	// user is the user's residual u in the history of the last sample looked at, target its item.
	user   float64
	target rated

	memory     *memory
	longTaste  *taste
	events     []int32
	remembered []rated
}

func newFeatures(stream *period.Stream, t *tally, m *memory) *features {
	x := &features{stream: stream, tally: t, taste: newTaste(stream.Options.History), memory: m}
	if m.length > 0 {
		x.longTaste = newTaste(max(m.length, stream.Options.History))
	}
	return x
}

// width is how many features there are.
func (x *features) width() int {
	if x.memory.length > 0 {
		return len(featureNames) + len(memoryNames)
	}
	return len(featureNames)
}

func (x *features) rated(item int32) rated {
	return rated{item: item, mean: x.tally.item(item) - x.tally.overall(), fame: math.Log1p(x.tally.items[item].seen)}
}

// residualOf is an event with the residual of its label.
func (x *features) residualOf(event int32) rated {
	r := x.rated(x.stream.Set.Interactions[event].Item)
	r.residual = -(x.tally.overall() + r.mean)
	if x.stream.Liked(event) {
		r.residual++
	}
	return r
}

// look reads a sample's history and finds the user's residual, as Means does.
func (x *features) look(sample int) {
	x.history, x.user = x.history[:0], 0
	for _, e := range x.stream.History(sample) {
		r := x.residualOf(e)
		x.history = append(x.history, r)
		x.user += r.residual
	}
	x.user /= float64(len(x.history)) + userWeight
}

// of appends a sample's features, as they are when a period begins, to a row.
func (x *features) of(sample int, period int32, row []float64) []float64 {
	x.look(sample)
	s, t := x.stream.Samples[sample], x.tally
	now := x.stream.Set.Interactions[s.Event]
	x.target = x.rated(now.Item)
	m := t.overall()
	item := LogOdds(m+x.target.mean) - LogOdds(m)
	recent := t.recent(now.Item, now.Time)
	unknown := itemWeight / (t.items[now.Item].seen + itemWeight)
	genres, era := t.attributeMeans(now.Item)
	activity := math.Log1p(float64(s.Place))
	var pause, standard float64
	if h := x.stream.History(sample); len(h) > 0 {
		pause = math.Log1p(float64(now.Time - x.stream.Set.Interactions[h[len(h)-1]].Time))
		for _, r := range x.history {
			standard += r.mean / float64(len(h))
		}
	}
	row = append(row,
		item, item*item, recent.mean(recentWeight), math.Log1p(recent.seen), unknown*genres, unknown*era,
		x.taste.of(t.facts, x.history, &x.target), activity, activity*x.user, pause, standard)
	if x.memory.length > 0 {
		row = x.remember(sample, period, row)
	}
	return row
}

// means scores the last sample looked at as Means would, with the counts so far.
func (x *features) means() float64 { return LogOdds(x.tally.overall() + x.target.mean + x.user) }
