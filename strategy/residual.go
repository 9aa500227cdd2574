package strategy

import "strings"

// OnPrior is the suffix of a strategy whose adapters are trained on top of the prior: "short+prior". The prior's log-odds are an offset
// inside the loss, so that an adapter learns what counting cannot tell, and are added to the adapter's own when it serves.
const OnPrior = "+prior"

// residual is another strategy with every job on top of the prior.
type residual struct{ base Strategy }

func (s residual) Name() string  { return s.base.Name() + OnPrior }
func (s residual) About() string { return s.base.About() + "; all on top of the prior" }

func (s residual) At(t int) (Combination, error) {
	c, err := s.base.At(t)
	if err != nil {
		return c, err
	}
	made := map[*Job]*Job{}
	c.Parts = onPrior(c.Parts, made)
	for i := range c.Past {
		c.Past[i].Parts = onPrior(c.Past[i].Parts, made)
	}
	return c, nil
}

func onPrior(jobs []*Job, made map[*Job]*Job) []*Job {
	var one func(j *Job) *Job
	one = func(j *Job) *Job {
		if j == nil {
			return nil
		}
		if made[j] == nil {
			k := *j
			k.Init, k.OnPrior = one(j.Init), true
			made[j] = &k
		}
		return made[j]
	}
	out := make([]*Job, len(jobs))
	for i, j := range jobs {
		out[i] = one(j)
	}
	return out
}

// baseName takes the suffix off.
func baseName(name string) (base string, residual bool) { return strings.CutSuffix(name, OnPrior) }
