package baseline

import "math"

// taste predicts how much more than the item's mean a user likes a target, from the same residuals of the user's history, by kriging
// (the posterior mean of a Gaussian process): with r the residuals r_h = label_h - p(h), q_h = c(h, target) the covariances with
// the target's residual and C those among the history,
//
//	taste = q' (C + noise 1)^-1 r
//
// Two residuals of one user go together the more, the more their items have in common and the closer they were rated:
//
//	c(h, j) = slope (p(h) - m) (p(j) - m)            a user may care more, or less, than others for what is generally liked
//	        + genre cos(genres of h, genres of j)
//	        + era exp(-|year h - year j| / eraRange)  0 where either has no year
//	        + fame exp(-|log(1+n h) - log(1+n j)| / fameRange)
//	        + mood exp(-|places between them| / moodRange)
//
// So ten residuals that say the same count for less than ten that are independent, and a history of other genres and times than the target's says
// little of it. Every term is a covariance by itself, so C + noise 1 is always positive definite.
type taste struct {
	mood   []float64 // by places between two events of a history
	era    []float64 // by years between two items
	matrix []float64
	right  []float64
	cross  []float64
}

// The covariances are in units of probability squared; see Counts for how they were chosen.
const (
	tasteNoise = .3
	tasteSlope = .5
	tasteGenre = .04
	tasteEra   = .03
	tasteFame  = .04
	tasteMood  = .02
	eraRange   = 15. // years
	fameRange  = 2.  // e-folds of the number of ratings
	moodRange  = 5.  // events
)

// rated is what taste looks at of an item: how it stood in the tally when it was looked at.
type rated struct {
	item     int32
	mean     float64 // p - m
	fame     float64 // log(1+n)
	residual float64 // of a history item
}

func newTaste(history int) *taste {
	x := &taste{mood: make([]float64, history+1), era: make([]float64, 256)}
	for k := range x.mood {
		x.mood[k] = tasteMood * math.Exp(-float64(k)/moodRange)
	}
	for k := range x.era {
		x.era[k] = tasteEra * math.Exp(-float64(k)/eraRange)
	}
	return x
}

func (x *taste) covariance(f *facts, a, b *rated, places int) float64 {
	c := tasteSlope*a.mean*b.mean + tasteGenre*f.sharedGenres(a.item, b.item) + tasteFame*math.Exp(-math.Abs(a.fame-b.fame)/fameRange) + x.mood[places]
	if ya, yb := f.year[a.item], f.year[b.item]; ya > 0 && yb > 0 {
		c += x.era[min(max(ya-yb, yb-ya), len(x.era)-1)]
	}
	return c
}

// of is the taste for a target after a history, oldest first.
func (x *taste) of(f *facts, history []rated, target *rated) float64 {
	n := len(history)
	x.matrix, x.right, x.cross = x.matrix[:0], x.right[:0], x.cross[:0]
	for a := range history {
		for b := range a {
			x.matrix = append(x.matrix, x.covariance(f, &history[a], &history[b], a-b))
		}
		x.matrix = append(x.matrix, x.covariance(f, &history[a], &history[a], 0)+tasteNoise)
		x.right = append(x.right, history[a].residual)
		x.cross = append(x.cross, x.covariance(f, &history[a], target, n-a))
	}
	solve(x.matrix, x.right)
	var sum float64
	for a, q := range x.cross {
		sum += q * x.right[a]
	}
	return sum
}
