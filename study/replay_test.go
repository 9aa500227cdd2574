package study_test

import (
	"maps"
	"strings"
	"testing"
)

// Replay trains on the new period's train part, all of it once, and on as many samples of earlier train parts, of other users at every update.
func TestReplayDrawsFromThePast(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[replay]")
	f := &fakeTrain{}
	in.Train = f.run
	r := run(t, t.TempDir(), c, in)
	periods := in.Stream.Periods
	users := map[string]map[int32]bool{}
	for k, j := range r.Jobs {
		if !strings.HasSuffix(j.Name, "replay") {
			continue
		}
		newest := j.Name[len(j.Name)-len("D3+replay"):][:2]
		t0 := int(newest[1] - '0')
		users[newest] = map[int32]bool{}
		var now, before int
		seen := map[int32]bool{}
		for _, s := range f.data[k].Train {
			sample := s.Targets[0].Sample
			if seen[sample] {
				t.Fatalf("%s trains twice on sample %d", j.Name, sample)
			}
			seen[sample] = true
			p := 0
			for int(sample) >= periods[p].All.Hi {
				p++
			}
			if int(sample) >= periods[p].Train.Hi {
				t.Fatalf("%s trains on sample %d of a validation part", j.Name, sample)
			}
			if p == t0 {
				now++
			} else {
				before++
				users[newest][s.Tokens[0]] = true
			}
		}
		if want := periods[t0].Train.Len(); now != want || before != want {
			t.Errorf("%s trains on %d samples of its period and %d from before, want %d of each", j.Name, now, before, want)
		}
	}
	if len(users) != 2 || maps.Equal(users["D3"], users["D4"]) {
		t.Errorf("the same users are replayed at every update: %v", users)
	}
}
