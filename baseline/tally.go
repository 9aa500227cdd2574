package baseline

import (
	"math"

	"lsat/period"
)

// The weights with which counts start, in samples (userWeight in history items), and how fast ratings age. See Counts for how they were chosen.
const (
	overallWeight   = 10.
	itemWeight      = 10.
	userWeight      = 5.
	recentWeight    = 10.
	attributeWeight = 100.
	recentHalfLife  = 365 * 86400. // seconds
)

// tally is what the ratings up to some moment say of items and of their attributes.
type tally struct {
	facts       *facts
	seen, liked float64
	items       []itemTally
	attributes  []residual
}

// itemTally counts one item's ratings.
type itemTally struct {
	seen, liked float64
	// recent sums residuals, and the ratings' weights, each halved with every recentHalfLife that has passed until the time now.
	recent residual
	now    int64
}

// residual sums how much more often than expected something was liked.
type residual struct{ sum, seen float64 }

// mean is the mean residual, drawn towards 0 with a weight.
func (r residual) mean(weight float64) float64 { return r.sum / (r.seen + weight) }

func newTally(f *facts) *tally {
	return &tally{facts: f, items: make([]itemTally, len(f.year)), attributes: make([]residual, f.attributes)}
}

// overall is the share of likes, m.
func (t *tally) overall() float64 { return (t.liked + overallWeight/2) / (t.seen + overallWeight) }

// item is the item's mean p = (k + a m) / (n + a).
func (t *tally) item(i int32) float64 {
	return (t.items[i].liked + itemWeight*t.overall()) / (t.items[i].seen + itemWeight)
}

// recent is the item's recent residuals as they stand at a time.
func (t *tally) recent(i int32, at int64) residual {
	it := &t.items[i]
	age := aged(at - it.now)
	return residual{it.recent.sum * age, it.recent.seen * age}
}

// attributeMeans are the mean residual of the item's genres, taken together, and that of its era.
func (t *tally) attributeMeans(i int32) (genres, era float64) {
	for _, g := range t.facts.genres[i] {
		genres += t.attributes[g].mean(attributeWeight) / float64(len(t.facts.genres[i]))
	}
	return genres, t.attributes[t.facts.era[i]].mean(attributeWeight)
}

// count takes in an event of a user whose own residual is u. The item is credited with what neither its mean nor the user's taste
// for giving likes explains, its attributes with what neither the overall mean nor the user does.
func (t *tally) count(stream *period.Stream, event int32, u float64) {
	e := stream.Set.Interactions[event]
	var label float64
	if stream.Liked(event) {
		label = 1
	}
	it := &t.items[e.Item]
	surprise := residual{label - t.item(e.Item) - u, 1}
	if e.Time >= it.now {
		it.recent, it.now = t.recent(e.Item, e.Time), e.Time
	} else { // an event older than the newest, which a history brought up late
		age := aged(it.now - e.Time)
		surprise = residual{surprise.sum * age, age}
	}
	it.recent.sum += surprise.sum
	it.recent.seen += surprise.seen
	m := t.overall()
	for _, g := range t.facts.genres[e.Item] {
		t.attributes[g].sum += label - m - u
		t.attributes[g].seen++
	}
	era := &t.attributes[t.facts.era[e.Item]]
	era.sum += label - m - u
	era.seen++
	it.liked += label
	it.seen++
	t.liked += label
	t.seen++
}

// aged is the weight left after some seconds.
func aged(seconds int64) float64 {
	return math.Exp2(-max(0, float64(seconds)) / recentHalfLife)
}
