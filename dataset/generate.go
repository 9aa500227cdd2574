package dataset

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// GenerateOptions describe a synthetic set. The zero value of a field means its default.
type GenerateOptions struct {
	// Seed decides everything. 0 is a seed like any other.
	Seed uint64
	// Users, Items and Interactions are the sizes. Defaults 200, 300 and 10,000. No user rates an item twice, and there are at most
	// Users*Items/2 interactions.
	Users, Items, Interactions int
	// Start and End bound the times (Unix seconds). Default: the three years from 2000-01-01.
	Start, End int64
	// Periods is how many stretches of equal time the drifting tastes have. Default 20.
	Periods int
	// UserBias, ItemBias, Long, Drift, Trend and Noise are standard deviations on the rating scale: of users' and of items' means, of the tastes
	// for genres that a user keeps, of those that change from period to period, of the genres' fashion that all users share and
	// that wanders from period to period, and of what nothing explains. Defaults .4, .5, .5, .4, .3, .6. Negative means none.
	UserBias, ItemBias, Long, Drift, Trend, Noise float64
	// HalfStars gives ratings of .5 to 5 in steps of a half. Default: 1 to 5 in whole steps.
	HalfStars bool
	// MinPerUser is how many ratings each user has at least, where Interactions suffice for it. Default 0.
	MinPerUser int
	// Spread is the standard deviation of the logarithm of how many ratings a user has beyond MinPerUser. Default .9.
	Spread float64
	// Tail, where it is positive, makes the popularity of the item of rank r fall as 1/(r + Tail)². Default 0: as 1/(r + 3)^.9.
	Tail float64
}

// LikeMovieLens25M is a synthetic set of MovieLens 25M's shape, of any size: 25,000,095 interactions are by 162,541 users with 59,047 items. Fewer are by
// fewer users in proportion, and with items fewer in the way that the smaller MovieLens sets have fewer. The years are the same, a user has at
// least 20 ratings, twice as many in the mean as at the median, and of 59,047 items the most popular tenth has over 90% of the ratings.
func LikeMovieLens25M(interactions int, seed uint64) GenerateOptions {
	share := float64(interactions) / 25_000_095
	return GenerateOptions{
		Seed: seed, Interactions: interactions, Users: max(2, int(math.Round(162_541*share))), Items: max(400, int(math.Round(59_047*math.Pow(share, .85)))),
		Start: time.Date(1995, 1, 9, 0, 0, 0, 0, time.UTC).Unix(), End: time.Date(2019, 11, 21, 0, 0, 0, 0, time.UTC).Unix(),
		HalfStars: true, MinPerUser: 20, Spread: 1.4, Tail: 400,
	}
}

func (o GenerateOptions) withDefaults() GenerateOptions {
	for _, d := range []struct {
		at *int
		n  int
	}{{&o.Users, 200}, {&o.Items, 300}, {&o.Interactions, 10_000}, {&o.Periods, 20}} {
		if *d.at <= 0 {
			*d.at = d.n
		}
	}
	o.Users, o.Items = min(o.Users, math.MaxInt32/2), min(o.Items, math.MaxInt32/2)
	o.Interactions = min(o.Interactions, max(1, o.Users*o.Items/2), math.MaxInt32)
	if o.Start <= 0 {
		o.Start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	}
	if o.End <= o.Start {
		o.End = o.Start + 3*365*86400
	}
	for _, d := range []struct {
		at *float64
		v  float64
	}{{&o.UserBias, .4}, {&o.ItemBias, .5}, {&o.Long, .5}, {&o.Drift, .4}, {&o.Trend, .3}, {&o.Noise, .6}, {&o.Spread, .9}} {
		if *d.at == 0 {
			*d.at = d.v
		}
		*d.at = max(0, *d.at)
	}
	o.MinPerUser = min(max(0, o.MinPerUser), o.Interactions/o.Users, o.Items*4/5)
	return o
}

// Generate makes a synthetic set for tests and for measuring at scale: ratings of 1 to 5 with planted users' and items' biases, tastes that
// last and tastes that drift, titles whose words tell the genre, items of Zipf popularity, and users who come back in sessions
// over years, where several ratings can share a second. The same options give the same set.
func Generate(opts GenerateOptions) *Set {
	o := opts.withDefaults()
	g := newGenerator(o)
	set := &Set{Name: fmt.Sprintf("synthetic-%d", o.Seed), Items: g.items, Users: make([]string, o.Users)}
	for u := range set.Users {
		set.Users[u] = fmt.Sprintf("u%d", u+1)
	}
	set.Interactions = make([]Interaction, 0, o.Interactions)
	for u, n := range g.activity() {
		set.Interactions = g.user(set.Interactions, u, n)
	}
	set.Interactions = sortByTime(set.Interactions)
	set.Hash = set.sum()
	return set
}

type generator struct {
	o        GenerateOptions
	rng      *rand.Rand
	items    []Item
	genre    [][2]int8
	itemBias []float32
	// popular is the cumulated popularity of the items; guide jumps into it, so that a draw takes constant time.
	popular []float64
	guide   []int32
	// trend holds for each period and genre the shared fashion.
	trend [][]float64
	// rated holds for each item the last user (plus one) who rated it.
	rated []int32
	// want and drift are the current user's tastes.
	want  []float64
	drift [][]float64
}

func newGenerator(o GenerateOptions) *generator {
	g := &generator{
		o: o, rng: rand.New(rand.NewPCG(o.Seed, 0x6c736174)),
		items: make([]Item, o.Items), genre: make([][2]int8, o.Items), itemBias: make([]float32, o.Items),
		popular: make([]float64, o.Items), guide: make([]int32, o.Items), rated: make([]int32, o.Items),
		want: make([]float64, len(genres)), trend: make([][]float64, o.Periods), drift: make([][]float64, o.Periods),
	}
	used := make(map[string]int, o.Items)
	total := 0.0
	for i, rank := range g.rng.Perm(o.Items) {
		a, b := g.rng.IntN(len(genres)), g.rng.IntN(len(genres))
		g.genre[i] = [2]int8{int8(a), int8(b)}
		categories := []string{genres[a].name}
		if a != b {
			categories = append(categories, genres[b].name)
		}
		g.items[i] = Item{ID: fmt.Sprintf("i%d", i+1), Title: g.title(a, b, used), Categories: categories}
		g.itemBias[i] = float32(g.rng.NormFloat64() * o.ItemBias)
		if o.Tail > 0 {
			total += 1 / math.Pow(float64(rank)+o.Tail, 2)
		} else {
			total += 1 / math.Pow(float64(rank)+3, 0.9)
		}
		g.popular[i] = total
	}
	for i, k := 0, 0; i < len(g.guide); i++ {
		for k < o.Items-1 && g.popular[k] < total*float64(i)/float64(o.Items) {
			k++
		}
		g.guide[i] = int32(k)
	}
	g.wander(g.trend, o.Trend, 0.8)
	return g
}

// wander fills one vector of tastes for each period: an autoregression with the given standard deviation, in which each period
// resembles the one before, so that what is learnt from one is of use in the next.
func (g *generator) wander(by [][]float64, sd, keep float64) {
	fresh := math.Sqrt(1 - keep*keep)
	for p := range by {
		if by[p] == nil {
			by[p] = make([]float64, len(genres))
		}
		for k := range by[p] {
			if x := g.rng.NormFloat64() * sd; p == 0 {
				by[p][k] = x
			} else {
				by[p][k] = keep*by[p-1][k] + fresh*x
			}
		}
	}
}

// activity deals the interactions out to the users: a few are very active, and together they make exactly the number wanted.
func (g *generator) activity() []int {
	weights, total := make([]float64, g.o.Users), 0.0
	for u := range weights {
		weights[u] = math.Exp(g.rng.NormFloat64() * g.o.Spread)
		total += weights[u]
	}
	counts, left := make([]int, g.o.Users), g.o.Interactions
	most := max(1, g.o.Items*4/5)
	free := float64(g.o.Interactions - g.o.MinPerUser*g.o.Users)
	for u := range counts {
		counts[u] = min(most, g.o.MinPerUser+int(weights[u]/total*free))
		left -= counts[u]
	}
	for u := 0; left > 0; u = (u + 1) % len(counts) {
		if counts[u] < most {
			counts[u]++
			left--
		}
	}
	return counts
}

// user appends the events of one user, in time order.
func (g *generator) user(events []Interaction, u, n int) []Interaction {
	o := g.o
	for k := range g.want {
		g.want[k] = g.rng.NormFloat64() * o.Long
	}
	g.wander(g.drift, o.Drift, 0.7)
	bias := g.rng.NormFloat64()*o.UserBias + 3.55
	span := o.End - o.Start
	// A user stays for a part of the span: most for months, some for all of it.
	stay := int64(float64(span) * math.Min(1, 0.02+g.rng.ExpFloat64()*0.35))
	join := o.Start
	if stay < span {
		join += g.rng.Int64N(span - stay)
	} else {
		stay = span
	}
	var times []int64
	for len(times) < n {
		at := join + g.rng.Int64N(max(1, stay))
		for k := 1 + g.rng.IntN(20); k > 0 && len(times) < n; k-- {
			times = append(times, min(at, o.End-1))
			at += int64(g.rng.IntN(4)) * int64(g.rng.IntN(30)) // sometimes 0: a page of ratings sent at once
		}
	}
	slices.Sort(times)
	for _, at := range times {
		item := g.item(u)
		p := min(int((at-o.Start)*int64(o.Periods)/span), o.Periods-1)
		a, b := g.genre[item][0], g.genre[item][1]
		taste := func(k int8) float64 { return g.want[k] + g.drift[p][k] + g.trend[p][k] }
		score := bias + float64(g.itemBias[item]) + (taste(a)+taste(b))/math.Sqrt2 + g.rng.NormFloat64()*o.Noise
		rating := math.Round(math.Min(5, math.Max(1, score)))
		if o.HalfStars {
			rating = math.Round(2*math.Min(5, math.Max(.5, score))) / 2
		}
		events = append(events, Interaction{Time: at, User: int32(u), Item: item, Rating: float32(rating)})
	}
	return events
}

// item draws an item by popularity that the user has not rated yet.
func (g *generator) item(u int) int32 {
	last := g.popular[len(g.popular)-1]
	var i int
	for range 50 {
		x := g.rng.Float64()
		i = int(g.guide[int(x*float64(len(g.guide)))])
		for i < len(g.popular)-1 && g.popular[i] < x*last {
			i++
		}
		if g.rated[i] != int32(u)+1 {
			break
		}
	}
	for g.rated[i] == int32(u)+1 { // a user who has seen nearly everything takes the next one left
		i = (i + 1) % len(g.rated)
	}
	g.rated[i] = int32(u) + 1
	return int32(i)
}
