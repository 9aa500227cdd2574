package baseline

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"lsat/period"
)

var _ Prequential = Counts{}

// A training sample's score must be what it would have been at its time: turning its own and all later labels changes neither it nor any
// earlier one, and leaving out the later samples does not either.
func TestPrequentialScoresSeeNeitherTheirLabelNorLaterOnes(t *testing.T) {
	s := generated(t)
	train := span(0, s.Periods[3].All.Hi)
	score := func(s *period.Stream, samples []int) []float64 {
		_, odds, err := Counts{}.FitScore(s, samples)
		if err != nil {
			t.Fatal(err)
		}
		return odds
	}
	want := score(s, train)
	for _, at := range []int{0, 3, 60, firstBlock - 1, firstBlock, firstBlock + 1, 624, 625, 900, len(train) - 1} {
		from := s.Samples[train[at]].Event
		later := score(turned(t, s, func(e int32) bool { return e >= from }), train)
		for k := range at + 1 {
			if later[k] != want[k] {
				t.Fatalf("score %d changed from %v to %v with the labels from sample %d on", k, want[k], later[k], at)
			}
		}
		if at > 100 {
			if got := score(s, train[:at+1]); !slices.Equal(got, want[:at+1]) {
				t.Fatalf("scores up to %d depend on which samples come later", at)
			}
		}
		if at+40 < len(train) && slices.Equal(later[at+1:], want[at+1:]) {
			t.Errorf("no later score depends on the labels from sample %d on", at)
		}
	}
}

func TestPrequentialGivesTheModelOfFit(t *testing.T) {
	s := generated(t)
	train, test := span(0, s.Periods[4].All.Lo), span(s.Periods[4].All.Lo, len(s.Samples))
	shuffled := slices.Clone(train)
	rand.New(rand.NewPCG(5, 6)).Shuffle(len(shuffled), func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
	plain, err := Counts{}.Fit(s, train)
	if err != nil {
		t.Fatal(err)
	}
	model, odds, err := Counts{}.FitScore(s, shuffled)
	if err != nil {
		t.Fatal(err)
	}
	_, sorted, err := Counts{}.FitScore(s, train)
	if err != nil {
		t.Fatal(err)
	}
	for k, i := range shuffled {
		if odds[k] != sorted[i-train[0]] || math.IsNaN(odds[k]) || math.IsInf(odds[k], 0) {
			t.Fatalf("sample %d has log-odds %v, in another order %v", i, odds[k], sorted[i-train[0]])
		}
	}
	a, err := plain.Score(s, test)
	if err != nil {
		t.Fatal(err)
	}
	b, err := model.Score(s, test)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a, b) {
		t.Error("FitScore's model is not Fit's")
	}
}

// The first sample has nothing before it: its score is its history's alone, by the formula of Means.
func TestPrequentialFirstBlock(t *testing.T) {
	s := generated(t)
	_, odds, err := Counts{}.FitScore(s, span(0, 200))
	if err != nil {
		t.Fatal(err)
	}
	var u float64
	for _, e := range s.History(0) {
		u -= .5
		if s.Liked(e) {
			u++
		}
	}
	if want := LogOdds(.5 + u/15); math.Abs(odds[0]-want) > 1e-12 {
		t.Errorf("the first score is %v, want %v", odds[0], want)
	}
}

// On ML-1M the scores of training samples rank about as well as those of unseen ones (.788): better would be a leak.
func TestML1MPrequential(t *testing.T) {
	s := ml1m(t)
	train := span(0, s.Periods[10].All.Lo)
	_, odds, err := Counts{}.FitScore(s, train)
	if err != nil {
		t.Fatal(err)
	}
	var mean float64
	for p := 5; p < 10; p++ {
		r := s.Periods[p].All
		mean += aucOf(t, s, span(r.Lo, r.Hi), odds[r.Lo:r.Hi]) / 5
	}
	t.Logf("training samples of periods 5 to 9: mean AUC %.4f", mean)
	if math.Abs(mean-.788) > .002 {
		t.Errorf("mean AUC %.4f, want .788", mean)
	}
}
