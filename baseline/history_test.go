package baseline

import (
	"math"
	"testing"
)

func TestHistoryByHand(t *testing.T) {
	s := small(t, 3,
		[3]int{0, 0, 5}, [3]int{0, 1, 1}, [3]int{0, 2, 4},
		[3]int{0, 3, 1}, // sample 0: of the history, items 0 to 2, two liked
		[3]int{0, 4, 5}, // sample 1: items 1 to 3, one liked
	)
	model, err := History{}.Fit(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := model.Score(s, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range []float64{math.Log(2.5 / 1.5), math.Log(1.5 / 2.5)} {
		if math.Abs(got[k]-want) > 1e-12 {
			t.Errorf("score %d: got %v, want %v", k, got[k], want)
		}
	}
	if _, err := model.Score(s, []int{2}); err == nil {
		t.Error("a sample that is not there is scored")
	}
}
