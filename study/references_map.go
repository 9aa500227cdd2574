package study

var baselines = map[string]func() baselineModel{}
