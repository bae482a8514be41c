-- ROWS rows: inserted, indexed, grouped, joined, changed, deleted. Every value follows from the row's number.
create table measurement (id integer primary key, sensor integer not null, label text not null, value real not null);
create table sensor (id integer primary key, place text not null);

begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < ROWS)
insert into measurement
  select i, i * 7919 % 997, printf('label %d-%x', i % 1013, i * 2654435761 % 4294967296), (i * 16807 % 2147483647) / 1024.0 from n;
with recursive n(i) as (select 0 union all select i + 1 from n where i < 996)
insert into sensor select i, printf('place %d', i % 31) from n;
commit;

create index measurement_by_sensor on measurement (sensor, value);
create index measurement_by_label on measurement (label);

select count(*), sum(value), min(label), max(label) from measurement;
select place, count(*), round(avg(value), 3), max(value)
  from measurement join sensor on sensor.id = measurement.sensor group by place order by place;
select count(*) from measurement where label like 'label 1%' and value > 1000000;
select sensor, sum(value) over (order by sensor rows between 3 preceding and current row)
  from (select sensor, sum(value) as value from measurement group by sensor) limit 20;
select count(*) from measurement a join measurement b on b.sensor = a.sensor and b.id = a.id + 997 where a.id % 5 = 0;

update measurement set value = value * 2 where id % 10 = 3;
delete from measurement where sensor between 100 and 199;
select count(*), round(sum(value), 3) from measurement;
