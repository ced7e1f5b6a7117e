import pack from 'webpack'
pack({ mode: 'production', target: 'node', entry: './bundled.js', output: { path: '/tmp/timers-wp', filename: 'b.cjs' } }, (e, s) => { console.log(s.toJson({all:false,modules:true,nestedModules:true,modulesSpace:999}).modules.flatMap(m=>[m,...(m.modules??[])]).map(m=>m.name).filter(n=>/triage|prom-client\/(index|lib\/registry)/.test(n)).slice(0,20).join('\n')) })
