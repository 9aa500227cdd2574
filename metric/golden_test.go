package metric

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// golden is one case of testdata/golden.json, written by scripts/golden/metrics.py from plain definitions and scikit-learn.
type golden struct {
	A, B           []float64
	Labels         []bool
	Users          []int32
	AUCA           float64 `json:"auc_a"`
	AUCB           float64 `json:"auc_b"`
	LogLoss        float64 `json:"log_loss"`
	Brier          float64
	ECE15, ECE7    float64
	SEA            float64 `json:"se_a"`
	SEB            float64 `json:"se_b"`
	Difference     float64
	SE             float64 `json:"se"`
	P              float64
	UserAUC        float64 `json:"user_auc"`
	WeightedAUC    float64 `json:"user_auc_weighted"`
	UsersWithClass int     `json:"user_count"`
}

func goldens(t *testing.T) []golden {
	t.Helper()
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("no golden cases")
	}
	return cases
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > 1e-12*max(1, math.Abs(want)) {
		t.Errorf("%s: got %.15g, want %.15g", what, got, want)
	}
}

func TestGolden(t *testing.T) {
	for _, g := range goldens(t) {
		auc, err := AUC(g.A, g.Labels)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "AUC", auc, g.AUCA)
		loss, err := LogLoss(g.A, g.Labels)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "log-loss", loss, g.LogLoss)
		brier, err := Brier(g.A, g.Labels)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "Brier", brier, g.Brier)
		for bins, want := range map[int]float64{15: g.ECE15, 7: g.ECE7} {
			ece, diagram, err := Calibration(g.A, g.Labels, bins)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "calibration error", ece, want)
			count := 0
			for k, b := range diagram {
				count += b.Count
				if b.Low > b.High || b.Predicted < b.Low-1e-12 || b.Predicted > b.High+1e-12 || k > 0 && b.Low <= diagram[k-1].High {
					t.Errorf("bin %d of %d is out of order: %+v", k, bins, b)
				}
			}
			if count != len(g.A) {
				t.Errorf("%d bins hold %d samples of %d", bins, count, len(g.A))
			}
		}
		c, err := DeLongTest(g.A, g.B, g.Labels)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "DeLong AUC a", c.A.Value, g.AUCA)
		near(t, "DeLong AUC b", c.B.Value, g.AUCB)
		near(t, "DeLong SE a", c.A.SE, g.SEA)
		near(t, "DeLong SE b", c.B.SE, g.SEB)
		near(t, "DeLong difference", c.Difference.Value, g.Difference)
		near(t, "DeLong SE of difference", c.Difference.SE, g.SE)
		near(t, "DeLong p", c.Difference.P(), g.P)
		one, err := DeLong(g.A, g.Labels)
		if err != nil {
			t.Fatal(err)
		}
		if one != c.A {
			t.Errorf("DeLong alone %v, in the test %v", one, c.A)
		}
		u, err := UserAUC(g.A, g.Labels, g.Users)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "user AUC", u.Mean, g.UserAUC)
		near(t, "weighted user AUC", u.Weighted, g.WeightedAUC)
		if u.Users != g.UsersWithClass {
			t.Errorf("%d users with both classes, want %d", u.Users, g.UsersWithClass)
		}
	}
}
