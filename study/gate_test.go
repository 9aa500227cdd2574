package study

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lsat/metric"
)

var stackNames = []string{"intercept", "prior", "long", "short"}

// gatedRows draws samples whose long-term adapter is worth .2 + slope (standardised item count) of its log-odds, and the short-term one .4.
func gatedRows(seed uint64, n int, slope float64) stacked {
	rng := rand.New(rand.NewPCG(seed, 5))
	r := stacked{width: len(stackNames)}
	for range n {
		prior, long, short, count := rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()
		z := prior + (.2+slope*count)*long + .4*short
		r.x = append(r.x, 1, prior, long, short)
		r.labels = append(r.labels, rng.Float64() < metric.Probability(z))
		r.gate = append(r.gate, 4+2*count, 9+3*rng.NormFloat64(), math.Abs(long-short))
	}
	return r
}

func fitted(t *testing.T, rows stacked, gated bool) stackModel {
	t.Helper()
	m, err := fitStack(rows, stackNames, gated)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func logLoss(t *testing.T, m stackModel, rows stacked) float64 {
	t.Helper()
	l, err := metric.LogLoss(m.score(rows), rows.labels)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func coefficient(t *testing.T, m stackModel, part, by string) Coefficient {
	t.Helper()
	for _, c := range m.coefficients {
		if c.Part == part && c.By == by {
			return c
		}
	}
	t.Fatalf("no coefficient of %s by %q", part, by)
	return Coefficient{}
}

func TestGateFindsThePlantedOne(t *testing.T) {
	rows, later := gatedRows(1, 10_000, .6), gatedRows(2, 10_000, .6)
	plain, gated := fitted(t, rows, false), fitted(t, rows, true)
	for _, c := range gated.coefficients {
		want := map[string]float64{"prior": 1, "long": .2, "short": .4, "long by item count": .6}[c.name()]
		if math.Abs(c.Value-want) > .08 {
			t.Errorf("%s is %v, planted was %v", c.name(), c.Value, want)
		}
	}
	if c := coefficient(t, gated, "long", "item count"); math.Abs(c.Mean-4) > .1 || math.Abs(c.SD-2) > .1 {
		t.Errorf("the item count is standardised by %v and %v, planted were 4 and 2", c.Mean, c.SD)
	}
	if p, g := logLoss(t, plain, later), logLoss(t, gated, later); !(g < p-.02) {
		t.Errorf("on later samples the gate has log-loss %v, the plain stack %v", g, p)
	}
	// A score is the sum that the coefficients say.
	one := stacked{width: 4, x: []float64{1, .5, -1, 2}, labels: []bool{true}, gate: []float64{5, 1, 3}}
	want := 0.0
	for _, c := range gated.coefficients {
		x := map[string]float64{"intercept": 1, "prior": .5, "long": -1, "short": 2}[c.Part]
		switch c.By {
		case "item count":
			x *= (5 - c.Mean) / c.SD
		case "pause":
			x *= (1 - c.Mean) / c.SD
		case "disagreement":
			x *= (3 - c.Mean) / c.SD
		}
		want += c.Value * x
	}
	if got := gated.score(one)[0]; math.Abs(got-want) > 1e-12 {
		t.Errorf("score %v, the coefficients say %v", got, want)
	}
}

// With little evidence, or evidence of no gate, the gated stack is the plain one or scores nearly as it does; with enough, it is gated.
func TestGateFallsBackToThePlainStack(t *testing.T) {
	later := gatedRows(3, 4000, 0)
	for _, c := range []struct {
		what       string
		n, periods int
		slope      float64
		// least and most bound how many of 20 draws end with a gate, cost what a gate may cost later in the mean.
		least, most int
		cost        float64
	}{
		{"one period", 10_000, 1, .6, 0, 0, 0},
		{"two periods of 20 samples", 20, 2, .6, 0, 19, .002},
		{"no gate in three periods of 2,000 samples", 2000, 3, 0, 0, 5, .0003},
		{"a gate in three periods of 2,000 samples", 2000, 3, .3, 20, 20, 1},
	} {
		gates, cost := 0, 0.0
		for seed := range uint64(20) {
			var past []stacked
			for p := range c.periods {
				past = append(past, gatedRows(100+seed*10+uint64(p), c.n, c.slope))
			}
			m, err := fitGated(past, stackNames)
			if err != nil {
				t.Fatal(err)
			}
			plain := fitted(t, joined(past), false)
			if m.gated {
				gates++
			} else if !slices.Equal(m.coefficients, plain.coefficients) {
				t.Errorf("%s: without a gate the coefficients are %v, the plain stack's %v", c.what, m.coefficients, plain.coefficients)
			}
			cost += (logLoss(t, m, later) - logLoss(t, plain, later)) / 20
		}
		t.Logf("%s: %d of 20 with a gate, log-loss %+.5f", c.what, gates, cost)
		if gates < c.least || gates > c.most || cost > c.cost {
			t.Errorf("%s: %d of 20 with a gate, which cost %v", c.what, gates, cost)
		}
	}
}

// A sample unlike all that was seen is scored as the furthest of those are, and a feature that never varied does nothing where it still does not.
func TestGateStaysInReach(t *testing.T) {
	gated := fitted(t, gatedRows(6, 5000, .6), true)
	far := stacked{width: 4, x: []float64{1, .5, -1, 2, 1, .5, -1, 2}, labels: []bool{true, true}, gate: []float64{1e6, 9, 1, 4 + 2*gateReach + 1, 9, 1}}
	if s := gated.score(far); s[0] != s[1] {
		t.Errorf("counts beyond reach score %v and %v", s[0], s[1])
	}
	rows := gatedRows(7, 500, 0)
	for i := 0; i < len(rows.gate); i += len(gateNames) {
		rows.gate[i] = 7
	}
	if c := coefficient(t, fitted(t, rows, true), "long", "item count"); math.Abs(c.Value) > 1e-9 || c.SD != 1 {
		t.Errorf("a constant feature has %+v", c)
	}
}

// The features of a sample are made of what came before its period, and of its own user's past.
func TestGateFeaturesKnowThePastOnly(t *testing.T) {
	s := drawnStream(t, 6000, 100, 4)
	x := &executor{in: Inputs{Stream: s}, rated: map[int][]int32{}}
	l := newLister(Config{}, s)
	for p := range s.Periods {
		list := l.test(p)
		long, short := make([]float64, list.size), make([]float64, list.size)
		for n := range long {
			long[n], short[n] = float64(n%7), float64(n%3)
		}
		got := x.gateFeatures(list, long, short)
		for n, i := range list.samples() {
			now := s.Set.Interactions[s.Samples[i].Event]
			start := s.Samples[s.Periods[p].All.Lo].Event
			count, last := 0, int64(-1)
			for _, e := range s.Set.Interactions[:s.Samples[i].Event] {
				if e.User == now.User {
					last = e.Time
				}
			}
			for _, e := range s.Set.Interactions[:start] {
				if e.Item == now.Item {
					count++
				}
			}
			want := []float64{math.Log(1 + float64(count)), math.Log(1 + float64(now.Time-last)), math.Abs(float64(n%7 - n%3))}
			for k := range want {
				if math.Abs(got[n*len(want)+k]-want[k]) > 1e-12 {
					t.Fatalf("period %d, sample %d: features %v, want %v", p, i, got[n*len(want):(n+1)*len(want)], want)
				}
			}
		}
	}
}
