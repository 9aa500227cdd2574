package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"lsat/study"
)

// studyView shows a study's progress.
type studyView interface {
	event(study.Event)
	close()
}

// newStudyView shows two bars on a terminal, the whole study and what is being done, and plain lines elsewhere.
func newStudyView(w io.Writer) studyView {
	if isTerminal(w) {
		return &studyBars{w: w, clock: workClock{now: time.Now}}
	}
	return &studyLines{w: w, every: 30 * time.Second, clock: workClock{now: time.Now}}
}

// workClock tells the time left from the work that really took time, which found work did not, since it began: references come before it, and are
// not counted.
type workClock struct {
	now   func() time.Time
	begun time.Time
	first float64
}

// left is the time left, and whether it can be told yet.
func (c *workClock) left(e study.Event) (time.Duration, bool) {
	took := e.Work - e.Reused
	if c.begun.IsZero() || took <= c.first {
		c.begun, c.first = c.now(), took
		return 0, false
	}
	elapsed := c.now().Sub(c.begun)
	if took -= c.first; elapsed < 5*time.Second {
		return 0, false
	}
	return time.Duration(float64(elapsed) * max(e.TotalWork-e.Work, 0) / took), true
}

// studyLines prints every finished fact, and a line now and then between them.
type studyLines struct {
	w     io.Writer
	every time.Duration
	clock workClock
	told  time.Time
}

func (v *studyLines) event(e study.Event) {
	left, known := v.clock.left(e)
	now := v.clock.now()
	if e.Text != "" {
		_, _ = fmt.Fprintf(v.w, "%s %s\n", now.Format("15:04:05"), e.Text)
		return
	}
	if v.told.IsZero() {
		v.told = now
	}
	if now.Sub(v.told) < v.every || e.Task == "" {
		return
	}
	v.told = now
	line := fmt.Sprintf("%s %.0f%%, %s: %d of %d", now.Format("15:04:05"), percent(e), e.Task, e.Done, e.Total)
	if known {
		line += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	_, _ = fmt.Fprintln(v.w, line)
}

func (v *studyLines) close() {}

func percent(e study.Event) float64 {
	if e.TotalWork == 0 {
		return 0
	}
	return 100 * e.Work / e.TotalWork
}

// studyBars draws bars that finished facts scroll above.
type studyBars struct {
	w           io.Writer
	clock       workClock
	pool        *mpb.Progress
	whole, task *mpb.Bar
	// left and doing are read by the drawing goroutine.
	left, doing atomic.Pointer[string]
}

func (v *studyBars) event(e study.Event) {
	if left, known := v.clock.left(e); known {
		text := left.Round(time.Second).String() + " left"
		v.left.Store(&text)
	}
	v.doing.Store(&e.Task)
	if v.pool == nil {
		if e.TotalWork == 0 {
			if e.Text != "" {
				_, _ = fmt.Fprintln(v.w, e.Text)
			}
			return
		}
		v.start()
	}
	if e.Text != "" {
		_, _ = fmt.Fprintln(v.pool, e.Text)
	}
	v.whole.SetTotal(int64(e.TotalWork), false)
	v.whole.SetCurrent(int64(e.Work))
	v.task.SetTotal(int64(max(e.Total, 1)), false)
	v.task.SetCurrent(int64(e.Done))
}

func (v *studyBars) start() {
	v.pool = mpb.New(mpb.WithOutput(v.w), mpb.WithWidth(40))
	// Bars of total 0 do not end by themselves: what is planned can still grow.
	v.whole = v.pool.AddBar(0, mpb.PrependDecorators(decor.Name("study ")), mpb.AppendDecorators(decor.Percentage(), decor.Name(" "),
		decor.Any(func(decor.Statistics) string { return deref(&v.left) })))
	v.task = v.pool.AddBar(0, mpb.PrependDecorators(decor.Name("task  ")), mpb.AppendDecorators(decor.CountersNoUnit("%d/%d "),
		decor.Any(func(decor.Statistics) string { return deref(&v.doing) })))
}

func deref(p *atomic.Pointer[string]) string {
	if s := p.Load(); s != nil {
		return *s
	}
	return ""
}

func (v *studyBars) close() {
	if v.pool == nil {
		return
	}
	v.whole.Abort(true)
	v.task.Abort(true)
	v.pool.Wait()
	v.pool = nil
}
